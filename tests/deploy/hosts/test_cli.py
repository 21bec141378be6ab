"""The command line of ``deploy``."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from deploy.cli import INTERRUPTED, main
from deploy.hosts import check, up

HOSTS = """
[coordinator]
host = "here"
bind = "tcp://127.0.0.1:5555"
[hosts.here]
local = true
benign = 2
auditors = 1
"""


def test_ctrl_c_while_hosts_are_started_says_that_they_go_on_and_how_to_end_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    async def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    async def all_well(*_: object, **__: object) -> tuple[check.HostReport, ...]:
        return ()

    monkeypatch.setattr(up, "up", interrupted)
    monkeypatch.setattr(check, "check_hosts", all_well)
    (tmp_path / "lab.toml").write_text(HOSTS)
    (tmp_path / "tiny.toml").write_text("[federation]\nparticipants = 2\nselected = 2\nmin_updates = 2\n")
    # A shell that starts the tests in the background has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(SystemExit) as ended:
        main(["deploy", "up", str(tmp_path / "lab.toml"), str(tmp_path / "tiny.toml")])
    assert ended.value.code == INTERRUPTED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fedmeta: interrupted; whatever was started goes on: ")
    assert line.endswith(f"fedmeta deploy down {tmp_path}/lab.toml ends them")
