"""`fedmeta reproduce`: a tiny experiment with real federations, interrupted on the way and gone on with."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.processes import (
    Process,
    Processes,
    journal,
    matching,
    processes_that_mention,
    running_in,
    until,
)

pytestmark = pytest.mark.system

# The small version, made tiny: few classes, participants, rounds, steps and episodes; most of the time is
# that of processes that start.
TINY = """
from dataclasses import replace
from deploy.study import federations, sizes, study_data
from deploy.start import main
tiny = {"pretraining": 2, "benign": 1, "curve": 2, "headline": 2, "adaptation_steps": (0, 1)}
sizes.SIZES["quick"] = replace(sizes.QUICK, **tiny)
federations.PLAIN["attack.steps"] = 2
federations.LINEAR.update({f"federation.{key}": 2 for key in ("participants", "selected", "min_updates")})
federations.STROKES_CLASSES = study_data.STROKES_CLASSES = 60
main()
"""
TIMEOUT_S = 180.0  # two federations, on a machine that may be busy
COMMAND = ("reproduce", "E1", "--quick", "--device", "cpu", "--output")


@pytest.fixture
def processes(tmp_path: Path, cache: Path) -> Iterator[Processes]:
    program = tmp_path / "tiny.py"
    program.write_text(TINY)
    with running_in(tmp_path, cache, [sys.executable, str(program)]) as started:
        yield started


def test_an_experiment_that_was_interrupted_goes_on_where_it_was(
    processes: Processes, tmp_path: Path
) -> None:
    output = tmp_path / "study"
    pretraining, attack = output / "runs" / "pretrain-linear-s1", output / "runs" / "E1-s1"

    first = processes.fedmeta(*COMMAND, output)
    wait_for(first, attack, "participant_joined")
    first.interrupt()
    assert first.wait(TIMEOUT_S) == 130, first.stderr
    (line,) = first.stderr.splitlines()
    assert line.endswith("interrupted with 1 of 2 runs complete; the same command goes on from there")
    assert processes_that_mention(str(output)) == []
    before = (pretraining / "journal.jsonl").read_bytes()

    second = processes.fedmeta(*COMMAND, output)
    assert second.wait(TIMEOUT_S) == 0, second.stderr
    assert second.stderr == ""
    assert second.stdout.startswith("1 run to do, 1 complete already")
    assert "One seed: no verdicts." in second.stdout
    assert "C1 inconclusive" in second.stdout
    assert (pretraining / "journal.jsonl").read_bytes() == before
    assert processes_that_mention(str(output)) == []

    events = journal(attack)
    assert matching(events, "run_started", {})[0]["round"] == 2
    assert [entry["round"] for entry in matching(events, "round_completed", {})][-1] == 4
    assert json.loads((attack / "roles.json").read_text())["participant-2"] == "malicious"
    assert (attack / "code.json").read_bytes() == (pretraining / "code.json").read_bytes()
    with (output / "E1" / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (
        len(rows) == 3 * 2 * 2
    )  # before, right after and a round later, two numbers of steps, both cases of the support set
    assert {row["attack_train_episodes"] for row in rows} == {"2"}
    assert (output / "E1" / "report.html").is_file()
    assert (output / "report.html").is_file()


def wait_for(process: Process, run_dir: Path, event: str) -> None:
    until(lambda: next(iter(matching(journal(run_dir), event, {})), None), event, process, TIMEOUT_S)
