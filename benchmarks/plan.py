"""What `make bench` measures, and what `make bench-quick` does."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.wire.measured import Case

ALL = ("bare", "ours", "flower")
WITH_SIMULATION = (*ALL, "simulation")
AGAINST_BARE = ("bare", "ours")
OURS = ("ours",)
EPISODES = 4  # of each kind that an auditor measures with: as many as are adapted at a time


@dataclass(frozen=True)
class Plan:
    """``compared``: the sides of each case. ``rounds`` of a trained federation. ``seeds`` of the runs in
    each encoding, of a scenario with these ``settings``."""

    repetitions: int
    compared: Sequence[tuple[Case, tuple[str, ...]]]
    watched: Sequence[Case]
    rounds: int
    seeds: int
    settings: tuple[str, ...]


def _attacked_in(number: int, episodes: int) -> tuple[str, ...]:
    """The one attack earlier than its scenario has it, and measured with fewer episodes."""
    return (
        f"attack.rounds=[{number}]",
        f"federation.rounds={number + 10}",
        f"federation.server_rate.decay_rounds={number - 1}",
        f"evaluation.rounds=[{number - 1}, {number}, {number + 10}]",
        f"evaluation.episodes={episodes}",
        'decision.names=["linear", "matching"]',
    )


FULL = Plan(
    repetitions=5,
    compared=[
        *((Case(110_000, number), ALL) for number in (2, 16, 64)),
        (Case(110_000, 4), WITH_SIMULATION),
        (Case(110_000, 4, keys=True), ALL),
        (Case(10_000_000, 2), ALL),
        (Case(10_000_000, 4), WITH_SIMULATION),
        (Case(10_000_000, 4, keys=True), ALL),
        (Case(10_000_000, 16), AGAINST_BARE),
        (Case(10_000_000, 64), OURS),
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
    seeds=3,
    settings=_attacked_in(401, episodes=20),
)
QUICK = Plan(
    repetitions=2,
    compared=[
        (Case(110_000, 4), ALL),
        (Case(10_000_000, 4), ALL),
        *((Case(10_000, number), OURS) for number in (4, 64)),
        (Case(1_000_000, 4), OURS),
    ],
    watched=[Case(110_000, 4), Case(10_000_000, 4)],
    rounds=30,
    seeds=1,
    settings=_attacked_in(51, episodes=4),
)
