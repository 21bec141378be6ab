"""Runs what a plan has left to do, one federation after the other: each already uses every core."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from coordinator.reading.cost import PRIOR, Cost, Estimator, cost_of
from deploy.children import Bell
from deploy.forking import ForkServer
from deploy.study.federation import has_model, is_complete, run_federation, seconds_of
from deploy.study.findings import counted
from deploy.study.ledger import Ledger, StudyDirectory
from deploy.study.plan import Plan, Run
from deploy.study.progress import StudyProgress
from deploy.study.sources import current
from deploy.supervise import Interrupted
from protocol.errors import FedmetaError


@dataclass(frozen=True)
class Setting:
    """Where a study runs, and on what."""

    directory: StudyDirectory
    data_dir: Path | None
    device: str


def run_plan(plan: Plan, ledger: Ledger, setting: Setting, console: Console) -> dict[str, str]:
    """Run what is not complete; a run that fails is on record with its reason, and the rest goes on.

    Returns the failures of this plan's runs. Raises :class:`Interrupted` once a run in progress was stored.
    """
    directory = setting.directory
    costs = {run.id: cost_of(run.scenario, first_round(plan, run)) for run in plan.runs}
    complete = {run.id for run in plan.runs if is_complete(directory.run_dir(run.id))}
    estimator = Estimator(PRIOR * sum(cost.total for cost in costs.values()))
    for run_id in complete:
        if (seconds := seconds_of(directory.run_dir(run_id))) is not None:
            estimator.finished(costs[run_id].total, seconds)
    left = to_run(plan, complete, {run_id for run_id in complete if has_model(directory.run_dir(run_id))})
    again = complete & {run.id for run in left}
    complete -= again
    failures = {run_id: reason for run_id, reason in ledger.failures.items() if run_id not in complete}
    progress = StudyProgress(console, {run.id: costs[run.id] for run in left}, estimator)
    _announce(progress, left, complete, estimator, costs)
    if not left:
        return {}
    code = current()  # of what the next line loads
    with Bell.hung() as bell, ForkServer.running(bell) as processes, progress.shown():
        for done, run in enumerate(left):
            reason = _start_failed(run, failures)
            if reason is None:
                if bell.interrupts:
                    raise Interrupted(_how_to_go_on(len(complete) + done, plan))
                if run.id in again:
                    shutil.rmtree(directory.run_dir(run.id))
                reason = _run(run, plan, setting, progress, bell, processes, code)
            else:
                progress.skip(run.id)
            failures.pop(run.id, None)
            if reason is not None:
                failures[run.id] = reason
            directory.write(ledger.model_copy(update={"failures": failures}))
    return {run.id: failures[run.id] for run in plan.runs if run.id in failures}


def to_run(plan: Plan, complete: Collection[str], with_model: Collection[str]) -> list[Run]:
    """What is not complete, in order; and what is, but has lost the model that one of these starts from, as
    in a study that was unpacked from its measurements."""
    needed = {run.start for run in plan.runs if run.id not in complete}
    return [
        run for run in plan.runs if run.id not in complete or (run.id in needed and run.id not in with_model)
    ]


def first_round(plan: Plan, run: Run) -> int:
    """The round of the model that it starts from."""
    return plan.run(run.start).scenario.federation.rounds if run.start else 0


def _run(
    run: Run,
    plan: Plan,
    setting: Setting,
    progress: StudyProgress,
    bell: Bell,
    processes: ForkServer,
    code: str,
) -> str | None:
    """None, or why it failed."""
    directory = setting.directory
    watcher = progress.begin(run.id, run.scenario, first_round(plan, run))
    try:
        run_federation(
            run,
            directory.run_dir(run.id),
            start_from=directory.run_dir(run.start) if run.start else None,
            data_dir=setting.data_dir,
            device=setting.device,
            watcher=watcher,
            bell=bell,
            processes=processes,
            code=code,
        )
    except Interrupted as error:
        done = sum(is_complete(directory.run_dir(one.id)) for one in plan.runs)
        raise Interrupted(_how_to_go_on(done, plan)) from error
    except FedmetaError as error:
        watcher.over(f"failed: {error}")
        return str(error)
    watcher.over("complete")
    return None


def _start_failed(run: Run, failures: Mapping[str, str]) -> str | None:
    return f"the run that it starts from, {run.start}, failed" if run.start in failures else None


def _how_to_go_on(done: int, plan: Plan) -> str:
    there = f"{done} of {counted(len(plan.runs))}"
    return f"interrupted with {there} complete; the same command goes on from there"


def _announce(
    progress: StudyProgress,
    left: list[Run],
    complete: set[str],
    estimator: Estimator,
    costs: Mapping[str, Cost],
) -> None:
    if not left:
        progress.note(f"all {len(complete)} runs are complete")
        return
    minutes = estimator.left(sum(costs[run.id].total for run in left)) / 60
    there = f", {len(complete)} complete already" if complete else ""
    progress.note(f"{counted(len(left))} to do{there}; about {max(1, round(minutes))} min on 2 cores")
