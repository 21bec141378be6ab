"""`fedmeta run`: a whole small federation, read with nothing but the contract of the run directory."""

import json
import os
import signal
import time
import tomllib
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from tests.system.processes import (
    Process,
    Processes,
    digests,
    journal,
    matching,
    processes_that_mention,
    until,
)

pytestmark = pytest.mark.system


def wait_for(process: Process, run_dir: Path, event: str, **fields: object) -> dict[str, object]:
    return until(lambda: next(iter(matching(journal(run_dir), event, fields)), None), event, process)


def start_run(processes: Processes, scenario: Path, run_dir: Path, *more: str) -> Process:
    return processes.fedmeta("run", scenario, "--run-dir", run_dir, "--device", "cpu", *more)


def test_a_federation_runs_to_its_end_and_tells_what_happened(
    processes: Processes, tiny: Path, run_dir: Path
) -> None:
    run = start_run(processes, tiny, run_dir, "--set", "evaluation.rounds=[1, 2]")
    assert run.wait() == 0, run.stderr
    assert run.stderr == ""
    assert processes_that_mention(str(run_dir)) == []

    assert json.loads((run_dir / "roles.json").read_text()) == {
        "participant-1": "benign",
        "participant-2": "malicious",
        "auditor": "auditor",
    }
    as_run = tomllib.loads((run_dir / "scenario.toml").read_text())
    assert as_run["evaluation"]["rounds"] == [1, 2]
    assert as_run["federation"]["server_rate"]["initial"] == 1.0  # a default, filled in

    events = journal(run_dir)
    assert len({entry["run"] for entry in events}) == 1
    for entry in events:
        assert datetime.fromisoformat(entry["timestamp"]).utcoffset() is not None
        assert entry["level"] in ("info", "warning")
    counts = Counter(entry["event"] for entry in events)
    assert (counts["run_started"], counts["run_completed"], counts["participant_joined"]) == (1, 1, 3)
    assert (counts["round_started"], counts["round_completed"], counts["update_accepted"]) == (3, 3, 6)
    assert counts["evaluated"] == 3 * 3  # after rounds 1, 2 and the last, by three decision logics
    assert events[0]["event"] == "run_started"
    assert events[-1]["event"] == "run_completed"
    for entry in matching(events, "round_completed", {}):
        assert (entry["received"], entry["rejected"]) == (2, 0)
        assert entry["seconds"] > 0
        assert entry["bytes_in"] > 0
        assert entry["bytes_out"] > 0
    assert digests(run_dir)[3] == events[-1]["model_digest"]
    for entry in matching(events, "evaluated", {}):
        assert set(entry["main_accuracy"]) == {"mean", "ci95", "episodes"}
        assert set(entry["backdoor_accuracy"]) == {"attack_train", "attack_validation"}
    assert "malicious" not in (run_dir / "journal.jsonl").read_text()
    assert not [*run_dir.rglob("*.part"), *run_dir.rglob("*.tmp")]
    for name in ("participant-1", "participant-2", "auditor"):
        assert (run_dir / "participants" / f"{name}.jsonl").read_text()

    for label in ("before the attack", "right after it", "+1 benign round"):
        assert label in run.stdout
    assert run.stdout.endswith(f"run directory: {run_dir}\n")

    inspected = processes.fedmeta("inspect", run_dir, "--json")
    assert inspected.wait() == 0
    assert json.loads(inspected.stdout)["info"]["status"] == "completed"

    again = start_run(processes, tiny, run_dir)
    assert again.wait() == 2
    assert again.stderr.startswith(f"fedmeta: {run_dir}: already holds a run")
    assert journal(run_dir) == events


def test_a_federation_trains_on_omniglot(processes: Processes, tiny: Path, run_dir: Path) -> None:
    folder = os.environ.get("FEDMETA_DATA_DIR", "")
    if not (Path(folder) / "omniglot").is_dir():
        pytest.skip("FEDMETA_DATA_DIR has no omniglot")
    settings = ("--data-dir", folder, "--set", "task.dataset=omniglot")
    run = start_run(processes, tiny, run_dir, *settings)
    assert run.wait() == 0, run.stderr
    assert "Accuracy on omniglot" in run.stdout
    split = json.loads((run_dir / "split.json").read_text())
    assert all("/character" in name for names in split.values() for name in names)
    assert len(matching(journal(run_dir), "round_completed", {})) == 3


LONG = ("--set", "federation.rounds=1000")


def test_ctrl_c_stores_a_checkpoint_and_the_run_goes_on_from_it(
    processes: Processes, tiny: Path, run_dir: Path
) -> None:
    run = start_run(processes, tiny, run_dir, *LONG)
    wait_for(run, run_dir, "round_completed", round=2)
    run.interrupt()
    assert run.wait() == 130
    (line,) = run.stderr.splitlines()
    assert "go on from the checkpoint of round" in line
    assert line.endswith(f"fedmeta run --resume {run_dir}")
    assert "Traceback" not in run.stderr
    assert processes_that_mention(str(run_dir)) == []
    last = max(digests(run_dir))
    assert (run_dir / "checkpoints" / f"round-{last:06d}.safetensors").exists()

    resumed = processes.fedmeta("run", "--resume", run_dir, "--device", "cpu")
    assert wait_for(resumed, run_dir, "run_resumed")["round"] == last
    wait_for(resumed, run_dir, "round_completed", round=last + 1)
    resumed.interrupt()
    assert resumed.wait() == 130
    assert processes_that_mention(str(run_dir)) == []


def test_a_second_ctrl_c_ends_everything_at_once(processes: Processes, tiny: Path, run_dir: Path) -> None:
    run = start_run(processes, tiny, run_dir, *LONG)
    coordinator = coordinator_of(run, run_dir)
    wait_for(run, run_dir, "round_completed", round=1)
    os.kill(coordinator, signal.SIGSTOP)  # it cannot answer the first
    run.interrupt()
    until(lambda: "writes a checkpoint" in run.stdout or None, "the first to be answered", run)
    run.interrupt()
    assert run.wait(20) == 130
    assert len(run.stderr.splitlines()) == 1
    assert processes_that_mention(str(run_dir)) == []


def test_the_end_of_the_launcher_is_the_end_of_all(processes: Processes, tiny: Path, run_dir: Path) -> None:
    run = start_run(processes, tiny, run_dir, *LONG)
    wait_for(run, run_dir, "round_completed", round=1)
    run.kill()
    until_gone(run_dir)


def test_killed_processes_are_started_again(processes: Processes, tiny: Path, run_dir: Path) -> None:
    run = start_run(processes, tiny, run_dir, "--set", "federation.rounds=40")
    coordinator = coordinator_of(run, run_dir)
    wait_for(run, run_dir, "round_completed", round=2)
    (participant,) = processes_that_mention(f"{run_dir}/participants/participant-1 ")
    os.kill(participant, signal.SIGKILL)
    until(lambda: "participant-1 was killed (SIGKILL)" in run.stdout or None, "it to be noticed", run)
    os.kill(coordinator, signal.SIGKILL)
    wait_for(run, run_dir, "run_resumed")
    assert run.wait() == 0, run.stderr
    assert sorted(digests(run_dir)) == list(range(1, 41))
    assert processes_that_mention(str(run_dir)) == []


def coordinator_of(run: Process, run_dir: Path) -> int:
    wait_for(run, run_dir, "run_started")
    (found,) = processes_that_mention(f"fedmeta coordinator start {run.arguments[1]}")
    return found


def until_gone(run_dir: Path) -> None:
    deadline = time.monotonic() + 20
    while orphans := processes_that_mention(str(run_dir)):
        assert time.monotonic() < deadline, f"still there: {orphans}"
        time.sleep(0.05)
