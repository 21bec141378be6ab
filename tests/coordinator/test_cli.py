"""``fedmeta coordinator start``: options, environment variables, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from coordinator import cli
from coordinator.daemon import Outcome
from coordinator.service import Settings
from protocol.errors import UsageProblem
from protocol.scenario import dump_scenario
from tests.coordinator import tiny


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(dump_scenario(tiny.scenario()))
    return path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    calls: list[Settings] = []

    def serve(settings: Settings) -> Outcome:
        calls.append(settings)
        return Outcome.COMPLETED

    monkeypatch.setattr(cli, "serve", serve)
    return calls


def test_options_become_settings(scenario: Path, served: list[Settings], tmp_path: Path) -> None:
    arguments = ["start", str(scenario), "--bind", "tcp://127.0.0.1:*", "--run-dir", str(tmp_path / "run")]
    arguments += ["--set", "federation.rounds=7", "--set", "federation.seed=3", "--resume"]
    done = CliRunner().invoke(cli.coordinator, arguments)
    assert done.exit_code == 0, done.output
    (settings,) = served
    assert (settings.scenario.federation.rounds, settings.scenario.federation.seed) == (7, 3)
    assert (settings.name, settings.resume, settings.run_dir) == ("small", True, tmp_path / "run")


def test_a_new_run_can_begin_with_a_checkpoint(
    scenario: Path, served: list[Settings], tmp_path: Path
) -> None:
    arguments = ["start", str(scenario), "--bind", "tcp://127.0.0.1:*", "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(cli.coordinator, [*arguments, "--from", "runs/before:100"])
    assert done.exit_code == 0, done.output
    assert served[0].origin == "runs/before:100"


def test_every_option_can_be_an_environment_variable(
    scenario: Path, served: list[Settings], tmp_path: Path
) -> None:
    environment = {
        "FEDMETA_COORDINATOR_START_BIND": "tcp://127.0.0.1:5555",
        "FEDMETA_COORDINATOR_START_RUN_DIR": str(tmp_path / "run"),
        "FEDMETA_COORDINATOR_START_RESUME": "1",
        "FEDMETA_COORDINATOR_START_SET": "federation.rounds=7",
    }
    done = CliRunner().invoke(
        cli.coordinator,
        ["start", str(scenario)],
        env=environment,
        auto_envvar_prefix="FEDMETA_COORDINATOR",
    )
    assert done.exit_code == 0, done.output
    (settings,) = served
    assert (settings.bind, settings.resume) == ("tcp://127.0.0.1:5555", True)
    assert settings.scenario.federation.rounds == 7


def test_an_unknown_scenario_lists_those_there_are(served: list[Settings], tmp_path: Path) -> None:
    arguments = ["start", "no_such", "--bind", "tcp://127.0.0.1:*", "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(cli.coordinator, arguments)
    assert isinstance(done.exception, UsageProblem)
    assert "no_such" in str(done.exception)
    assert "one_shot_attack" in str(done.exception)
    assert served == []


def test_without_its_parent_it_stores_a_checkpoint_and_ends_with_130(scenario: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "deploy", "coordinator", "start", str(scenario)),
            *("--bind", "tcp://127.0.0.1:*", "--run-dir", str(run_dir), "--parent", "1"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    events = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "run_started"
    assert events[-1]["event"] == "run_interrupted"
    assert (run_dir / "checkpoints" / "round-000000.json").exists()
