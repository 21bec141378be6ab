"""Measurements as they might have been."""

from benchmarks.machine import Conditions
from benchmarks.results import Results
from benchmarks.spread import Comparison
from benchmarks.starting import Starting
from benchmarks.wire.measured import Case, Go
from benchmarks.wire.ours import Watched
from benchmarks.wire.sides import Side

QUIET = Conditions(
    date="2026-01-02 03:04 UTC",
    commit="0123456789ab",
    machine="Linux, 2 cores",
    software="Python 3.11",
    seconds=90.0,
    load_before=0.1,
    load_after=1.5,
    others=0.01,
    stolen=0.0,
)


def go(round_s: float, busy_s: float = 0.0, over_idle_kib: int = 0) -> Go:
    return Go(
        round_s=round_s,
        slow_s=2 * round_s,
        busy_s=busy_s or round_s / 2,
        everybody_s=2 * round_s,
        idle_kib=50_000,
        peak_kib=50_000 + over_idle_kib,
    )


def side(name: str, case: Case, *rounds_s: float, over_idle_kib: int = 0) -> Side:
    return Side(case, name, [go(round_s, over_idle_kib=over_idle_kib) for round_s in rounds_s])


def measured() -> Results:
    """A round of four takes bare sockets 1 ms, us 1.5 and Flower 9; one of 64 takes us ten times as long."""
    small, many, large = Case(110_000, 4), Case(110_000, 64), Case(10_000_000, 4)
    return Results(
        conditions={"federations": QUIET},
        sides=[
            side("bare", small, 1e-3, 1e-3, 2e-3),
            side("ours", small, 1.5e-3, 1.4e-3, 3.2e-3),
            side("flower", small, 9e-3, 9e-3, 9e-3),
            side("ours", many, 15e-3),
            side("ours", large, 0.4, over_idle_kib=3 * 40_000_000 // 1024),
            side("ours", Case(10_000, 4), 1e-3),
            side("ours", Case(110_000, 4, keys=True), 5e-3),
        ],
        watched=[Watched(small, pause_s=0.01, busy_s=0.005, answer_s=0.02, late_s=0.001, heartbeats=100)],
        starting=Starting(
            torch_in_help=False,
            help_s=[0.2, 0.3],
            joined=Comparison("until it has joined", [1.0, 1.0], [0.5, 0.6]),
            ready=Comparison("until it can train", [1.0, 1.0], [1.1, 1.2]),
            drawn_s=[5.0],
            cached_s=[0.01],
        ),
        rounds=Comparison("one process", [0.10, 0.10], [0.06, 0.07]),
        peers=[Comparison("BlazeFL, threads", [0.12, 0.14], [0.06, 0.07])],
    )
