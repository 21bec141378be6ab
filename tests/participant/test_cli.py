import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from participant import cli
from participant.session import Settings
from protocol.messages import Share

NEEDED = ("--coordinator", "tcp://10.0.0.1:5555", "--name", "ann", "--role", "benign")


def start(
    monkeypatch: pytest.MonkeyPatch, options: Sequence[str], **environment: str
) -> tuple[Result, list[Settings]]:
    started: list[Settings] = []
    monkeypatch.delenv("FEDMETA_DATA_DIR", raising=False)
    monkeypatch.setattr("participant.cli.choose_device", lambda *_: None)  # one that other machines have
    monkeypatch.setattr("os.nice", lambda _: 0)

    def run(settings: Settings) -> int:
        started.append(settings)
        return 130

    monkeypatch.setattr(cli, "run", run)
    result = CliRunner().invoke(
        cli.participant, ["start", *options], env=environment, auto_envvar_prefix="FEDMETA_PARTICIPANT"
    )
    return result, started


def test_an_address_a_name_and_a_role_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    result, started = start(monkeypatch, NEEDED)
    assert started == [Settings("tcp://10.0.0.1:5555", "ann", "benign")]
    assert result.exit_code == 130


def test_shares_are_counted_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _, [settings] = start(monkeypatch, [*NEEDED, "--share", "4/4"])
    assert settings.share == Share(index=3, count=4)


def test_every_option_can_be_an_environment_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, [settings] = start(
        monkeypatch,
        [],
        FEDMETA_PARTICIPANT_START_COORDINATOR="tcp://10.0.0.1:5555",
        FEDMETA_PARTICIPANT_START_NAME="ann",
        FEDMETA_PARTICIPANT_START_ROLE="auditor",
        FEDMETA_PARTICIPANT_START_DEVICE="cuda:1",
        FEDMETA_PARTICIPANT_START_PATIENCE="5",
        FEDMETA_DATA_DIR=str(tmp_path),
    )
    assert settings == Settings(
        "tcp://10.0.0.1:5555", "ann", "auditor", device="cuda:1", patience_s=5, data_dir=tmp_path
    )


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ([], "--coordinator"),
        ([*NEEDED, "--name", "../ann"], "write 1 to 64 letters"),
        ([*NEEDED, "--name", "a" * 65], "write 1 to 64 letters"),
        ([*NEEDED, "--role", "attacker"], "benign"),
        ([*NEEDED, "--share", "5/4"], "write i/n with i from 1 to n"),
        ([*NEEDED, "--share", "0/4"], "write i/n with i from 1 to n"),
        ([*NEEDED, "--device", "gpu"], "write auto, cpu, mps, cuda or cuda:N"),
        ([*NEEDED, "--patience", "-1"], "--patience"),
        ([*NEEDED, "--patience", "nan"], "--patience"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, options: Sequence[str], remedy: str
) -> None:
    result, started = start(monkeypatch, options)
    assert result.exit_code == 2
    assert remedy in result.output
    assert started == []


def test_help_needs_no_torch() -> None:
    code = "import sys, participant.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
