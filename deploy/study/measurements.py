"""What the runs of a study measured: tidy rows out of the journals, and picking values from them."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Final, Literal

from coordinator.reading.cli import roles_of
from coordinator.reading.fold import read_history
from coordinator.reading.history import Evaluation, RunHistory
from deploy.study.plan import Arm, Plan
from deploy.study.statistics import Estimate, over_seeds
from protocol.messages import Difference, Interval, SignedInterval
from protocol.scenario import Scenario

Phase = Literal["before", "during", "after"]
BEFORE: Final = "before"
When = int | Literal["before"]  # benign rounds after the attack, or before it
STEPS = 50  # a user's adaptation, where nothing else is said


@dataclass(frozen=True)
class Row:
    """One measurement of one arm. ``after``: rounds since the last attack round, negative before it; where
    nobody attacks, since the round in which somebody would have. ``evaluator``: who measured.
    ``difference``: to the first decision measured there, over the same episodes; None of that one."""

    arm: Arm
    round: int
    phase: Phase
    after: int
    evaluator: str
    decision: str
    shot: int
    adaptation_steps: int
    backdoor_in_support: bool
    main: Interval
    attack_train: Interval
    attack_validation: Interval
    difference: Difference | None = None

    def is_at(self, when: When) -> bool:
        return self.phase == BEFORE if when == BEFORE else self.phase == "after" and self.after == when


Metric = Callable[[Row], Interval | SignedInterval | None]  # None: the row has no such value


def main(row: Row) -> Interval:
    return row.main


def train(row: Row) -> Interval:
    """Backdoor accuracy on attack-train images."""
    return row.attack_train


def validation(row: Row) -> Interval:
    """Backdoor accuracy on attack-validation images."""
    return row.attack_validation


def versus_first(row: Row) -> SignedInterval | None:
    """Backdoor accuracy on attack-train images minus that of the first decision, paired over episodes."""
    return row.difference.attack_train if row.difference else None


METRICS: Mapping[str, Metric] = {"attack-train": train, "attack-validation": validation}

BySeed = dict[int, float]


@dataclass(frozen=True)
class Pick:
    """Which rows are meant; None leaves a field open. ``steps`` None: ``STEPS``, or none for a decision that
    does not adapt."""

    arm: str
    decision: str
    in_support: bool = False
    steps: int | None = None

    def takes(self, row: Row) -> bool:
        steps = {0, STEPS} if self.steps is None else {self.steps}
        return (
            row.arm.name == self.arm
            and row.decision == self.decision
            and row.backdoor_in_support == self.in_support
            and row.adaptation_steps in steps
        )


class Measurements:
    """All rows of an experiment; of several evaluators of one model their mean counts."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)

    def by_seed(self, pick: Pick, when: When, metric: Metric, *, alike: str | None = None) -> BySeed:
        """The value of each seed that has it; with ``alike``, only by those who measured in that arm too."""
        found = self._intervals(pick, when, metric, alike)
        return {seed: fmean(one.mean for one in intervals) for seed, intervals in found.items()}

    def _intervals(
        self, pick: Pick, when: When, metric: Metric, alike: str | None = None
    ) -> dict[int, list[Interval | SignedInterval]]:
        """Of each seed, one for each evaluator."""
        others = {(row.arm.seed, row.evaluator) for row in self.rows if row.arm.name == alike}
        found: dict[int, dict[int, list[Interval | SignedInterval]]] = {}
        for row in self.rows:
            counts = alike is None or (row.arm.seed, row.evaluator) in others
            if counts and pick.takes(row) and row.is_at(when) and (value := metric(row)) is not None:
                found.setdefault(row.arm.seed, {}).setdefault(row.adaptation_steps, []).append(value)
        # Where both no step and STEPS were measured, the adapted one is the user's.
        return {seed: values[max(values)] for seed, values in sorted(found.items())}

    def at(self, pick: Pick, when: When, metric: Metric) -> Estimate | None:
        """The mean over seeds; of one seed with its interval over episodes."""
        found = self._intervals(pick, when, metric)
        mean = over_seeds({seed: fmean(one.mean for one in each) for seed, each in found.items()})
        if mean is None or len(found) > 1:
            return mean
        (intervals,) = found.values()
        # Evaluators draw episodes of their own, so their errors add up as independent ones.
        within = math.sqrt(sum(one.ci95**2 for one in intervals)) / len(intervals)
        return replace(mean, episodes=within)

    def rise(self, pick: Pick, when: When, metric: Metric) -> BySeed:
        """The value minus that before the attack, seed by seed."""
        before, later = self.by_seed(pick, BEFORE, metric), self.by_seed(pick, when, metric)
        return {seed: later[seed] - before[seed] for seed in later if seed in before}

    def risen(self, pick: Pick, when: When, metric: Metric) -> Estimate | None:
        """The mean of :meth:`rise` over seeds; paired, so that what a seed's classes are like drops out."""
        return over_seeds(self.rise(pick, when, metric))

    def curve(self, pick: Pick, metric: Metric) -> dict[int, BySeed]:
        """Benign rounds after the attack → values; the round before it is -1."""
        after = sorted({row.after for row in self.rows if pick.takes(row) and row.phase == "after"})
        before = self.by_seed(pick, BEFORE, metric)
        curve = {number: self.by_seed(pick, number, metric) for number in after}
        return {**({-1: before} if before else {}), **curve}

    def arms(self, prefix: str = "") -> tuple[Arm, ...]:
        """One for each name, in the order of the plan; of the first seed that has it."""
        found: dict[str, Arm] = {}
        for row in self.rows:
            if row.arm.name.startswith(prefix):
                found.setdefault(row.arm.name, row.arm)
        return tuple(found.values())

    def steps_of(self, pick: Pick) -> tuple[int, ...]:
        """The adaptation steps that were measured of an arm and decision, ascending."""
        return tuple(
            sorted(
                {
                    row.adaptation_steps
                    for row in self.rows
                    if row.arm.name == pick.arm
                    and row.decision == pick.decision
                    and row.backdoor_in_support == pick.in_support
                }
            )
        )

    @property
    def episodes(self) -> str:
        counts = sorted({row.attack_train.episodes for row in self.rows})
        return " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1]))) if counts else "no"


def read_measurements(plan: Plan, experiment: str, run_dir: Callable[[str], Path]) -> Measurements:
    """What the completed runs of an experiment measured; the others are left out."""
    rows: list[Row] = []
    for arm in plan.arms_of(experiment):
        folder = run_dir(arm.run)
        try:
            with (folder / "journal.jsonl").open(encoding="utf-8", errors="replace") as lines:
                history = read_history(lines)
        except FileNotFoundError:
            continue
        if history.info.status == "completed":
            run = plan.run(arm.run)
            start = plan.run(run.start).scenario.federation.rounds if run.start else 0
            rows += rows_of(arm, run.scenario, start, history, roles_of(folder))
    return Measurements(rows)


def rows_of(
    arm: Arm, scenario: Scenario, start: int, history: RunHistory, roles: Mapping[str, str]
) -> list[Row]:
    """``start``: the round that the run goes on from. What malicious participants measured with their own
    private parts is left out."""
    attacks = scenario.attack.rounds or (start + 1,)
    return [
        _row(arm, attacks, evaluation)
        for evaluation in history.evaluations
        if roles.get(evaluation.auditor) != "malicious"
    ]


def _row(arm: Arm, attacks: Sequence[int], evaluation: Evaluation) -> Row:
    number = evaluation.round
    phase: Phase = "before" if number < attacks[0] else "after" if number >= attacks[-1] else "during"
    return Row(
        arm=arm,
        round=number,
        phase=phase,
        after=number - attacks[-1],
        evaluator=evaluation.auditor,
        decision=evaluation.decision,
        shot=evaluation.shot or 0,
        adaptation_steps=evaluation.adaptation_steps,
        backdoor_in_support=evaluation.backdoor_in_support,
        main=evaluation.main_accuracy,
        attack_train=evaluation.backdoor_accuracy.attack_train,
        attack_validation=evaluation.backdoor_accuracy.attack_validation,
        difference=evaluation.difference,
    )


_INTERVALS = ("main", "attack_train", "attack_validation")


def as_csv(rows: Iterable[Row]) -> str:
    """One line a measurement; what an arm varies has columns of its own."""
    rows = list(rows)
    factors = sorted({factor for row in rows for factor in row.arm.factors})
    output = StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(
        [
            *("experiment", "arm", *factors, "seed", "run", "round", "phase", "rounds_after_attack"),
            *("evaluator", "decision", "shot", "adaptation_steps", "backdoor_in_support"),
            *(f"{name}_{part}" for name in _INTERVALS for part in ("mean", "ci95", "episodes")),
            "difference_against",
            *(f"{name}_difference_{part}" for name in _INTERVALS for part in ("mean", "ci95")),
        ]
    )
    for row in rows:
        intervals: list[Interval] = [getattr(row, name) for name in _INTERVALS]
        writer.writerow(
            [
                *(row.arm.experiment, row.arm.name, *(row.arm.factors.get(f, "") for f in factors)),
                *(row.arm.seed, row.arm.run, row.round, row.phase, row.after),
                *(row.evaluator, row.decision, row.shot, row.adaptation_steps),
                "yes" if row.backdoor_in_support else "no",
                *(value for i in intervals for value in (round(i.mean, 6), round(i.ci95, 6), i.episodes)),
                *_difference_cells(row.difference),
            ]
        )
    return output.getvalue()


def _difference_cells(difference: Difference | None) -> list[str | float]:
    if difference is None:
        return [""] * (1 + 2 * len(_INTERVALS))
    values = (difference.main_accuracy, difference.attack_train, difference.attack_validation)
    return [difference.against, *(round(part, 6) for value in values for part in (value.mean, value.ci95))]
