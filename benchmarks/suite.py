"""All benchmarks, one after the other; what each has found is kept at once."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks import aggregation, results, starting
from benchmarks.machine import available_bytes, libraries, observed
from benchmarks.results import Results
from benchmarks.wire import ours
from benchmarks.wire.measured import Case
from benchmarks.wire.sides import SideFailed, available, compare, flower_versions

Say = Callable[[str], None]
ALL = ("bare", "ours", "flower")
WITH_SIMULATION = (*ALL, "simulation")
AGAINST_BARE = ("bare", "ours")
OURS = ("ours",)


@dataclass(frozen=True)
class Plan:
    """``compared``: the sides of each case. ``rounds`` of a trained federation, ``episodes`` of each kind
    that an auditor measures with."""

    repetitions: int
    compared: Sequence[tuple[Case, tuple[str, ...]]]
    watched: Sequence[Case]
    rounds: int
    episodes: int


FULL = Plan(
    repetitions=5,
    compared=[
        *((Case(110_000, number), ALL) for number in (2, 16, 64)),
        (Case(110_000, 4), WITH_SIMULATION),
        (Case(110_000, 4, keys=True), ALL),
        (Case(10_000_000, 2), ALL),
        (Case(10_000_000, 4), WITH_SIMULATION),
        (Case(10_000_000, 4, keys=True), ALL),
        *((Case(10_000_000, number), AGAINST_BARE) for number in (16, 64)),
        *((Case(10_000, number), OURS) for number in (2, 4, 16, 64, 256, 1000)),
        *((Case(110_000, number), OURS) for number in (256, 1000)),
        (Case(1_000_000, 4), OURS),
        (Case(100_000_000, 4), OURS),
    ],
    watched=[
        *(Case(110_000, number) for number in (4, 64, 1000)),
        *(Case(10_000_000, number) for number in (4, 64)),
        Case(10_000_000, 4, keys=True),
        Case(100_000_000, 4),
    ],
    rounds=60,
    episodes=4,
)
QUICK = Plan(
    repetitions=2,
    compared=[
        (Case(110_000, 4), ALL),
        (Case(110_000, 4, keys=True), ALL),
        (Case(10_000_000, 4), ALL),
        *((Case(10_000, number), OURS) for number in (4, 64)),
        (Case(1_000_000, 4), OURS),
    ],
    watched=[Case(110_000, 4), Case(10_000_000, 4)],
    rounds=30,
    episodes=2,
)


def measure(plan: Plan, parts: Sequence[str], found: Results, path: Path, say: Say) -> None:
    """``found`` has these parts anew, and is written to ``path`` after each."""
    for part in parts:
        say(f"{part}:")
        failures: list[str] = []
        with observed(_software()) as at:
            PARTS[part](plan, found, failures, say)
        found.conditions[part] = at.conditions
        found.failures.pop(part, None)
        if failures:
            found.failures[part] = failures
        results.write(found, path)


def _federations(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    found.sides = []

    def one(case: Case, names: Sequence[str]) -> None:
        there = [name for name in names if name in available(case)]
        found.sides += compare(case, there, plan.repetitions, say)

    for case, names in plan.compared:
        _one_case(case, failures, say, partial(one, case, names))


def _pauses(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    found.watched = []

    def one(case: Case) -> None:
        with tempfile.TemporaryDirectory(prefix="fedmeta-bench-") as folder:
            seen = ours.watched(case, Path(folder))
        found.watched.append(seen)
        say(f"{case}: longest pause {1000 * seen.longest_s:.1f} ms")

    for case in plan.watched:
        _one_case(case, failures, say, partial(one, case))


def _starting(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    found.starting = starting.measure(plan.repetitions, say)


def _rounds(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    # Here, as below: torch takes seconds.
    from benchmarks import rounds

    found.rounds = rounds.measure(plan.rounds, 4, plan.repetitions, say)


def _evaluation(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    from benchmarks import evaluation

    found.evaluation = evaluation.measure(plan.episodes, plan.repetitions, say)


def _aggregation(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    found.aggregation = [aggregation.measure(size) for size in aggregation.SIZES]


PARTS: dict[str, Callable[[Plan, Results, list[str], Say], None]] = {
    "federations": _federations,
    "pauses": _pauses,
    "starting": _starting,
    "aggregation": _aggregation,
    "rounds": _rounds,
    "evaluation": _evaluation,
}


def _one_case(case: Case, failures: list[str], say: Say, work: Callable[[], None]) -> None:
    """That one case cannot be measured is no reason to do without the others."""
    needed = case.model_bytes * (8 + 4 * case.participants)
    if needed > available_bytes():
        failures.append(f"{case}: that needs {needed / 2**30:.0f} GiB of free memory")
        say(failures[-1])
        return
    try:
        work()
    except (SideFailed, AssertionError) as failure:
        failures.append(f"{case}: {str(failure).strip().splitlines()[0][:300]}")
        say(f"{case}: {failure}")


def _software() -> str:
    ours = f"{libraries()}, numpy {version('numpy')}, torch {version('torch')}"
    return f"{ours}; {flower_versions()}"
