"""What is left to do is done in order; a failure does not end the rest. The federations are made up."""

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from coordinator.reading.cost import Estimator, cost_of
from coordinator.reading.fold import Reading
from deploy.study import runner
from deploy.study.ledger import Ledger, StudyDirectory
from deploy.study.plan import Plan, Run
from deploy.study.progress import StudyProgress
from deploy.study.runner import Setting, run_plan
from deploy.supervise import Interrupted
from protocol.errors import RunFailed
from tests.coordinator.reading.example import WHOLE_RUN
from tests.deploy.study.journals import RECORD, as_the_paper_says, first_of, plan_of, write_run

LEDGER = Ledger(version="0.1.0", data=RECORD, size="quick", experiments=("E2",), seeds=(1,))
PLAN = plan_of(["E2"], (1,))


class Stage:
    """Federations that are complete at once, or do what ``troubles`` says of their id."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = StudyDirectory(folder)
        self.started: list[tuple[str, Path | None]] = []
        self.troubles: dict[str, Exception] = {}
        self.output = io.StringIO()
        monkeypatch.setattr(runner, "run_federation", self.federation)

    def federation(self, run: Run, run_dir: Path, *, start_from: Path | None, **_: Any) -> None:
        self.started.append((run.id, start_from))
        if trouble := self.troubles.get(run.id):
            raise trouble
        write_run(run_dir, run, first_of(self.plan, run), as_the_paper_says)

    def run(self, plan: Plan = PLAN, ledger: Ledger = LEDGER) -> dict[str, str]:
        self.plan = plan
        console = Console(file=self.output, width=200)
        return run_plan(plan, ledger, Setting(self.directory, None, "cpu"), console)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_branches_follow_their_pre_training_and_start_from_it(stage: Stage) -> None:
    assert stage.run() == {}
    pretraining = stage.directory.run_dir("pretrain-linear-s1")
    assert stage.started == [
        ("pretrain-linear-s1", None),
        ("E2-apart-s1", pretraining),
        ("E2-holders-s1", pretraining),
    ]
    lines = stage.output.getvalue().splitlines()
    assert lines[0].startswith("3 runs to do; about ")
    assert lines[-1].startswith("E2-holders-s1: complete, 0 s (3 of 3 runs")


def test_what_is_complete_is_not_run_again(stage: Stage) -> None:
    stage.run()
    stage.started.clear()
    stage.run()
    assert stage.started == []
    assert stage.output.getvalue().endswith("all 3 runs are complete\n")


def test_a_run_that_fails_is_on_record_and_the_rest_goes_on(stage: Stage) -> None:
    stage.troubles["E2-apart-s1"] = RunFailed("the disk is full")
    assert stage.run() == {"E2-apart-s1": "the disk is full"}
    assert [run_id for run_id, _ in stage.started] == ["pretrain-linear-s1", "E2-apart-s1", "E2-holders-s1"]
    ledger = stage.directory.read()
    assert ledger is not None
    assert ledger.failures == {"E2-apart-s1": "the disk is full"}
    stage.troubles.clear()
    stage.started.clear()
    assert stage.run(ledger=ledger) == {}
    assert [run_id for run_id, _ in stage.started] == ["E2-apart-s1"]
    again = stage.directory.read()
    assert again is not None
    assert again.failures == {}


def test_what_starts_from_a_failed_run_is_not_tried(stage: Stage) -> None:
    stage.troubles["pretrain-linear-s1"] = RunFailed("no memory")
    failures = stage.run()
    assert [run_id for run_id, _ in stage.started] == ["pretrain-linear-s1"]
    assert failures["pretrain-linear-s1"] == "no memory"
    assert failures["E2-apart-s1"] == "the run that it starts from, pretrain-linear-s1, failed"
    # What fails says nothing of how long the rest takes, which may be nothing at all.
    assert stage.output.getvalue().splitlines()[-1] == (
        "pretrain-linear-s1: failed: no memory, 0 s (1 of 3 runs)"
    )


def test_what_is_not_tried_is_not_counted_as_left(stage: Stage) -> None:
    plan = plan_of(["E2"], (1, 2))
    stage.troubles["pretrain-linear-s1"] = RunFailed("no memory")
    stage.run(plan)
    assert ": complete, 0 s (6 of 6 runs, about 0 s left)" in stage.output.getvalue().splitlines()[-1]


def test_what_lost_its_model_is_repeated_when_something_starts_from_it(stage: Stage) -> None:
    stage.run()
    stage.started.clear()
    for run in PLAN.runs:
        shutil.rmtree(stage.directory.run_dir(run.id) / "checkpoints")
    stage.run()
    assert stage.started == []
    shutil.rmtree(stage.directory.run_dir("E2-holders-s1"))
    stage.run()
    assert [run_id for run_id, _ in stage.started] == ["pretrain-linear-s1", "E2-holders-s1"]


def test_an_interrupt_ends_the_study_and_says_how_to_go_on(stage: Stage) -> None:
    stage.troubles["E2-apart-s1"] = Interrupted("interrupted after round 2")
    with pytest.raises(Interrupted) as interrupted:
        stage.run()
    assert str(interrupted.value) == (
        "interrupted with 1 of 3 runs complete; the same command goes on from there"
    )
    assert interrupted.value.exit_code == 130
    assert len(stage.started) == 2


def test_progress_counts_rounds_attacks_and_evaluated_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    run = PLAN.run("E2-apart-s1")
    cost = cost_of(run.scenario, 300)
    assert cost.rounds == 51
    assert cost.attacks == 1
    assert cost.evaluations == 6
    assert cost.done(51, 1, 6) == pytest.approx(cost.total)
    assert cost.done(0, 0, 0) == 0
    monkeypatch.setattr("deploy.study.progress.PLAIN_EVERY_S", 0.0)
    output = io.StringIO()
    progress = StudyProgress(Console(file=output, width=200), {run.id: cost}, Estimator(prior=1))
    watcher = progress.begin(run.id, run.scenario, 300)
    reading = Reading()
    watcher.update([event for line in WHOLE_RUN if (event := reading.feed(line))], reading)
    assert "E2-apart-s1: round 3 of 351, about" in output.getvalue()
    watcher.update([], reading)  # nothing is new, and nothing is said again
    assert len(output.getvalue().splitlines()) == 1


def test_an_estimate_is_corrected_by_what_finished_runs_took() -> None:
    estimator = Estimator(prior=40)
    assert estimator.left(10) == 10
    estimator.finished(predicted=20, measured=40)
    estimator.finished(predicted=20, measured=60)
    assert estimator.left(10) == pytest.approx(10 * 140 / 80)
    assert estimator.left(10, running=(20, 0)) == pytest.approx(10 * 140 / 100)


def test_one_short_run_does_not_change_an_estimate_by_much() -> None:
    estimator = Estimator(prior=1000)
    estimator.finished(predicted=10, measured=100)
    assert 1000 < estimator.left(1000) < 1100
