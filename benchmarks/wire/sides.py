"""Who can be asked for a round, and what each needs of it, side by side."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.peers.installed import FLOWER, installed
from benchmarks.program import told_by
from benchmarks.wire import ours
from benchmarks.wire.measured import ENCRYPTED, Case, Go


def measure_ours(case: Case) -> Go:
    with tempfile.TemporaryDirectory(prefix="fedmeta-bench-") as folder:
        return ours.rounds(case, Path(folder))


def _told_by(python: Path, module: str, case: Case) -> Go:
    how = [ENCRYPTED] if case.keys else []
    return Go(**told_by(python, module, str(case.parameters), str(case.participants), *how))


SIDES: dict[str, Callable[[Case], Go]] = {
    "bare": partial(_told_by, Path(sys.executable), "benchmarks.wire.bare"),
    "ours": measure_ours,
    "flower": partial(_told_by, FLOWER, "benchmarks.peers.flower_server"),
    "simulation": partial(_told_by, FLOWER, "benchmarks.peers.flower_simulation"),
}
OF_FLOWER = ("flower", "simulation")


@dataclass(frozen=True)
class Side:
    """All goes of one side at one case, in their order."""

    case: Case
    name: str
    goes: list[Go] = field(default_factory=list)


def available(case: Case) -> tuple[str, ...]:
    """The sides that can be measured: without Flower where its environment has not been made; its simulation
    has no connections to encrypt."""
    without = [] if installed(FLOWER) else list(OF_FLOWER)
    without += ["simulation"] if case.keys else []
    return tuple(name for name in SIDES if name not in without)


def compare(case: Case, names: Sequence[str], repetitions: int, say: Callable[[str], None]) -> list[Side]:
    """One go of each, again and again: what the machine does meanwhile strikes all alike."""
    sides = [Side(case, name) for name in names]
    for repetition in range(repetitions):
        for side in sides:
            side.goes.append(SIDES[side.name](case))
        took = ", ".join(f"{side.name} {1000 * side.goes[-1].round_s:.2f} ms" for side in sides)
        say(f"{case}, {repetition + 1} of {repetitions}: {took}")
    return sides
