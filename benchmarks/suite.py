"""All benchmarks, one after the other; what each has found is kept at once."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from subprocess import CalledProcessError

import click

from benchmarks import aggregation, encodings, results, starting
from benchmarks.machine import available_bytes, libraries, observed
from benchmarks.peers.installed import versions
from benchmarks.plan import EPISODES, Plan
from benchmarks.program import SideFailed
from benchmarks.results import Encoded, Results
from benchmarks.wire import ours
from benchmarks.wire.measured import Case
from benchmarks.wire.sides import available, compare
from protocol.scenario import load_scenario
from protocol.scenario_files import find_scenario

Say = Callable[[str], None]


def measure(plan: Plan, parts: Sequence[str], found: Results, path: Path, say: Say) -> None:
    """``found`` has these parts anew, and is written to ``path`` after each."""
    for part in parts:
        say(f"{part}:")
        failures: list[str] = []
        with observed(_software()) as at:
            _one(part, failures, say, partial(PARTS[part], plan, found, failures, say))
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
        say(
            f"{case}: longest pause {1000 * seen.pause_s:.1f} ms, busy {1000 * seen.busy_s:.1f}, "
            f"answer {1000 * seen.answer_s:.1f} ms"
        )

    for _ in range(plan.repetitions):
        for case in plan.watched:
            _one_case(case, failures, say, partial(one, case))


def _starting(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    found.starting = starting.measure(plan.repetitions, say)


def _rounds(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    # Here, as below: torch takes seconds.
    from benchmarks import rounds

    found.rounds, found.peers = None, []
    seen = rounds.measure(plan.rounds, 4, plan.repetitions, say)
    found.rounds, found.peers = seen.alone, seen.peers
    failures += [failure.splitlines()[0] for failure in seen.failures]


def _inner_loop(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    from benchmarks import inner_loop

    found.inner_loop = inner_loop.measure(plan.rounds, plan.repetitions, say)


def _evaluation(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    from benchmarks import evaluation

    found.evaluation = evaluation.measure(EPISODES, plan.repetitions, say)


def _aggregation(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    found.aggregation = [aggregation.measure(size) for size in aggregation.SIZES]


def _encodings(plan: Plan, found: Results, failures: list[str], say: Say) -> None:
    first = load_scenario(find_scenario(encodings.SCENARIO), plan.settings).federation.seed
    found.encodings = Encoded(plan.settings, [])
    with tempfile.TemporaryDirectory(prefix="fedmeta-bench-") as folder:
        seeds = range(first, first + plan.seeds)
        for row in encodings.rows(seeds, Path(folder), settings=plan.settings):
            found.encodings.rows.append(row)
            say(f"seed {row.seed}, {row.encoding}: {1000 * row.round_s:.1f} ms a round")


PARTS: dict[str, Callable[[Plan, Results, list[str], Say], None]] = {
    "federations": _federations,
    "pauses": _pauses,
    "starting": _starting,
    "aggregation": _aggregation,
    "rounds": _rounds,
    "inner-loop": _inner_loop,
    "evaluation": _evaluation,
    "encodings": _encodings,
}


def _one_case(case: Case, failures: list[str], say: Say, work: Callable[[], None]) -> None:
    """Where there is memory for it. That it cannot be measured is no reason to do without the others."""
    needed = case.model_bytes * (8 + 4 * case.participants)
    if needed > available_bytes():
        failures.append(f"{case}: that needs {needed / 2**30:.0f} GiB of free memory")
        say(failures[-1])
        return
    _one(str(case), failures, say, work)


def _one(name: str, failures: list[str], say: Say, work: Callable[[], None]) -> None:
    try:
        work()
    except (SideFailed, AssertionError, CalledProcessError, click.ClickException) as failure:
        failures.append(f"{name}: {(str(failure).strip() or type(failure).__name__).splitlines()[0][:300]}")
        say(f"{name}: {failure}")


def _software() -> str:
    ours = f"{libraries()}, numpy {version('numpy')}, torch {version('torch')}"
    return f"{ours}; {versions()}"
