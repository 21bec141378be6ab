"""Where part of the model is private: participants measure with theirs, and take it along into a branch."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.scenario import load_scenario
from tests.simulation import simulate
from tests.system.processes import (
    Process,
    Processes,
    digests,
    journal,
    matching,
    processes_that_mention,
    running_in,
    until,
    write_tiny,
)

pytestmark = pytest.mark.system

ROUNDS = 6
NAMES = ("participant-1", "participant-2", "participant-3")
# With the seed below, VICTIM does not train in rounds 1 and 2, nor LATE in rounds 3 and 4.
ANCHOR, VICTIM, LATE = NAMES
ROLES = {NAMES[0]: "benign", NAMES[1]: "benign", NAMES[2]: "malicious"}
OVERRIDES = (
    f"federation.rounds={ROUNDS}",
    "federation.seed=25",
    "federation.participants=3",
    "federation.selected=2",
    "federation.min_updates=2",
    "federation.checkpoint_every=2",
    "federation.liveness_s=300.0",  # who is stopped for a while is not lost for it
    "federation.server_rate.decay_rounds=5",
    "federation.encoding=int8",  # what that loses is kept by the participants as well
    "model.shared=2",
    "learning.inner_steps=2",
    "attack.rounds=[5]",
    "decision.names=['matching']",
    "evaluation.by=participants",
    "evaluation.rounds=[2, 4]",
    "evaluation.episodes=4",
)
SETTINGS = [part for override in OVERRIDES for part in ("--set", override)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[dict[int, str]]:
    """Of the same rounds in one process, in which nobody measures anything."""
    folder = tmp_path_factory.mktemp("simulation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield simulate(load_scenario(write_tiny(folder), OVERRIDES), ROLES, folder)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The run directory of a pre-training: the first four rounds, without the attack."""
    folder = tmp_path_factory.mktemp("before")
    with running_in(folder, cache) as processes:
        shorter = ("--set", "federation.rounds=4", "--set", "attack.rounds=[]")
        run = start_run(processes, write_tiny(folder), folder / "run", *shorter)
        assert run.wait() == 0, run.stderr
    return folder / "run"


@pytest.fixture(autouse=True)
def nobody_stays_stopped(run_dir: Path) -> Iterator[None]:
    """A test that fails half way leaves processes that cannot notice that their launcher is gone."""
    yield
    for pid in processes_that_mention(str(run_dir)):
        os.kill(pid, signal.SIGKILL)


def start_run(processes: Processes, scenario: Path, run_dir: Path, *more: str | Path) -> Process:
    return processes.fedmeta("run", scenario, "--run-dir", run_dir, "--device", "cpu", *SETTINGS, *more)


def wait_for(process: Process, run_dir: Path, event: str, **fields: object) -> dict[str, Any]:
    return until(lambda: next(iter(matching(journal(run_dir), event, fields)), None), event, process)


def pids_of(run_dir: Path) -> dict[str, int]:
    """Of the participants that have been started."""
    found = {name: processes_that_mention(f"{run_dir}/participants/{name} ") for name in NAMES}
    return {name: pids[0] for name, pids in found.items() if pids}


def reported(run_dir: Path, number: int) -> set[str]:
    """Who has measured the model of that round, as the checkpoint says."""
    path = run_dir / "checkpoints" / f"round-{number:06d}.json"
    record = json.loads(path.read_text()) if path.exists() else {"state": {"evaluations": []}}
    return {name for waiting in record["state"]["evaluations"] for name in waiting["reported"]}


def measured(run_dir: Path, number: int) -> list[str]:
    return [entry["auditor"] for entry in matching(journal(run_dir), "evaluated", {"round": number})]


def test_kills_while_they_measure_change_nothing_and_nobody_measures_twice(
    processes: Processes, tiny: Path, run_dir: Path, expected: dict[int, str]
) -> None:
    run = start_run(processes, tiny, run_dir)
    wait_for(run, run_dir, "run_started")
    pids = until(lambda: pids_of(run_dir) if len(pids_of(run_dir)) == 3 else None, "three participants", run)
    # Held at the first round, so that nothing is quicker than this test.
    others = [name for name in NAMES if name != ANCHOR]
    for name in others:
        os.kill(pids[name], signal.SIGSTOP)
    wait_for(run, run_dir, "participant_ready", participant=ANCHOR)
    os.kill(pids[ANCHOR], signal.SIGSTOP)
    for name in others:
        os.kill(pids[name], signal.SIGCONT)
    wait_for(run, run_dir, "round_started", round=1)
    os.kill(pids[VICTIM], signal.SIGSTOP)
    os.kill(pids[ANCHOR], signal.SIGCONT)

    # A participant is killed while the model of round 2 waits for it alone to be measured.
    until(lambda: sorted(measured(run_dir, 2)) == sorted({*NAMES} - {VICTIM}) or None, "two reports", run)
    os.kill(pids[LATE], signal.SIGSTOP)  # for the next scene: it has nothing to do until then
    os.kill(pids[VICTIM], signal.SIGKILL)
    wait_for(run, run_dir, "evaluated", round=2, auditor=VICTIM)
    assert matching(journal(run_dir), "participant_lost", {"participant": VICTIM})

    # The coordinator is killed when two of three have measured the model of round 4.
    both = {*NAMES} - {LATE}
    until(lambda: reported(run_dir, 4) == both or None, "two reports to be stored", run)
    (coordinator,) = processes_that_mention(f"fedmeta coordinator start {tiny}")
    os.kill(coordinator, signal.SIGKILL)
    wait_for(run, run_dir, "run_resumed", round=4)
    os.kill(pids[LATE], signal.SIGCONT)

    assert run.wait() == 0, run.stderr
    assert digests(run_dir) == expected
    for number in (2, 4, ROUNDS):
        assert sorted(measured(run_dir, number)) == sorted(NAMES)
    assert matching(journal(run_dir), "evaluation_skipped", {}) == []
    assert matching(journal(run_dir), "round_retried", {}) == []
    assert "auditor" not in json.loads((run_dir / "roles.json").read_text())


def test_a_branch_of_a_pre_training_goes_on_as_the_run_would_have(
    processes: Processes, tiny: Path, before: Path, run_dir: Path, expected: dict[int, str]
) -> None:
    """Also when it is interrupted and resumed: its participants took their private states along."""
    branch = run_dir
    assert digests(before) == {number: expected[number] for number in range(1, 5)}

    run = start_run(processes, tiny, branch, "--from", before)
    first = wait_for(run, branch, "run_started")
    assert (first["round"], first["model_digest"]) == (4, expected[4])
    assert first["started_from"] == str(before / "checkpoints" / "round-000004.safetensors")
    wait_for(run, branch, "round_completed", round=5)
    run.interrupt()
    if run.wait() == 130:
        run = processes.fedmeta("run", "--resume", branch, "--device", "cpu")
        assert run.wait() == 0, run.stderr
    assert digests(branch) == {number: expected[number] for number in (5, 6)}
    # The model that both have was measured in both, with the same private parts.
    assert sorted(measured(branch, 4)) == sorted(NAMES)
    for name in NAMES:
        there, here = (
            matching(journal(run_dir), "evaluated", {"round": 4, "auditor": name})[0]
            for run_dir in (before, branch)
        )
        assert there["main_accuracy"] == here["main_accuracy"]
        assert there["backdoor_accuracy"] == here["backdoor_accuracy"]


def test_a_branch_that_does_not_fit_is_refused_before_anything_is_started(
    processes: Processes, tiny: Path, before: Path, run_dir: Path
) -> None:
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        (("--from", f"{before}:99"), "no checkpoint of that round is kept"),
        (("--from", before, "--set", "federation.seed=5"), "that run had federation.seed = 25"),
    ]
    for more, says in cases:
        refused = start_run(processes, tiny, run_dir, *more)
        assert refused.wait() == 2
        (line,) = refused.stderr.splitlines()
        assert line.startswith("fedmeta: --from ")
        assert says in line
        assert not run_dir.exists()
