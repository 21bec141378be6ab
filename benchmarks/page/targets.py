"""What was to be reached, and whether it was: by the medians, with the spread of the repetitions beside."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.spread import Spread, ratios
from benchmarks.wire.measured import Case, Go
from benchmarks.wire.sides import Side

SMALL, LARGE = 110_000, 10_000_000
MOST_PAUSE_MS = 50.0


@dataclass(frozen=True)
class Figure:
    """One measurement that a target is held against; ``label`` tells it from the others of the target."""

    label: str
    value: Spread


@dataclass(frozen=True)
class Target:
    """All ``figures`` have to be at most, or at least, ``bound``."""

    what: str
    bound: float
    figures: list[Figure]
    at_least: bool = False
    unit: str = ""

    @property
    def missed(self) -> list[Figure]:
        return [
            figure
            for figure in self.figures
            if (figure.value.median < self.bound if self.at_least else figure.value.median > self.bound)
        ]

    @property
    def to_reach(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}{self.unit}"

    @property
    def measured(self) -> str:
        named = ((f"{figure.label}: " if figure.label else "", figure.value) for figure in self.figures)
        return "; ".join(f"{label}{value}" for label, value in named)

    @property
    def verdict(self) -> str:
        if not self.figures:
            return "not measured"
        if not self.missed:
            return "reached"
        where = [figure.label for figure in self.missed if figure.label]
        everywhere = len(self.missed) == len(self.figures)
        return "**not reached**" if everywhere or not where else f"**not reached**: {', '.join(where)}"


def of_the_federation(results: Results) -> list[Target]:
    """Labels are numbers of participants."""
    sides = results.sides
    return [
        *(
            Target(
                f"a round against bare sockets, {_size(size)}{_how(keys)}", most, _slower(sides, size, keys)
            )
            for size, keys, most in (
                (LARGE, False, 1.4),
                (LARGE, True, 1.25),
                (SMALL, False, 2.0),
                (SMALL, True, 2.0),
            )
        ),
        *(
            Target(
                f"times faster than Flower, {_size(size)}{_how(keys, 'CURVE against TLS')}",
                least,
                _faster(sides, size, keys),
                at_least=True,
            )
            for size, least in ((SMALL, 4.0), (LARGE, 5.0))
            for keys in (False, True)
        ),
        *(
            Target(
                f"processor seconds of the coordinator against those of Flower's server, {_size(size)}"
                f"{_how(keys, 'CURVE against TLS')}",
                0.2,
                _paired(sides, size, keys, "flower", lambda go: go.busy_s),
            )
            for size in (SMALL, LARGE)
            for keys in (False, True)
        ),
        Target(
            f"coordinator's peak memory over its idle memory, {_size(LARGE)}",
            4.0,
            [Figure(_participants(side.case), models_over_idle(side)) for side in _ours(sides, LARGE, False)],
            unit=" models",
        ),
        Target(
            "that for 64 participants, against 4",
            1.1,
            _between(sides, LARGE, 4, 64, models_over_idle),
        ),
        Target(
            f"time for each of 1,000 participants, against each of 64, {_size(SMALL)}",
            1.0,
            _between(sides, SMALL, 64, 1000, _each_s),
        ),
        Target(
            "the event loop's longest pause",
            MOST_PAUSE_MS,
            [
                Figure(
                    f"{_size(case.parameters)} to {_participants(case)}{_how(case.keys)}",
                    Spread.of([1000 * one.pause_s for one in each]),
                )
                for case, each in results.pauses.items()
            ],
            unit=" ms",
        ),
    ]


def of_learning(results: Results) -> list[Target]:
    starting = results.starting
    return [
        Target(
            "a participant's inner loop, against the same steps in bare PyTorch",
            1.03,
            [Figure(one.what, one.times_as_long) for one in results.inner_loop],
        ),
        Target(
            "times faster: rounds of 4 participants on all cores, against one bare loop on one core",
            1.6,
            [Figure("", results.rounds.times_faster)] if results.rounds else [],
            at_least=True,
        ),
        Target(
            "times faster: the auditor's evaluation, against a plain loop",
            3.0,
            [Figure(one.what, one.times_faster) for one in results.evaluation],
            at_least=True,
        ),
        Target(
            "`fedmeta --help`",
            0.25,
            [Figure("", Spread.of(starting.help_s))] if starting else [],
            unit=" s",
        ),
        Target(
            "modules of torch that it imports",
            0,
            [Figure("", Spread.of([float(starting.torch_in_help)]))] if starting else [],
        ),
        Target(
            "start of a participant until it has joined, against `import torch`",
            1.3,
            [Figure("", starting.joined.times_as_long)] if starting else [],
        ),
        Target(
            "`strokes` with 1,000 classes, first use, one core",
            10,
            [Figure("", Spread.of(starting.drawn_s))] if starting else [],
            unit=" s",
        ),
        Target(
            "the same from the cache",
            0.3,
            [Figure("", Spread.of(starting.cached_s))] if starting else [],
            unit=" s",
        ),
    ]


def models_over_idle(side: Side) -> Spread:
    """How many models of its size the process had in memory at most, beside what it had idle."""
    return Spread.of([1024 * (go.peak_kib - go.idle_kib) / side.case.model_bytes for go in side.goes])


def _each_s(side: Side) -> Spread:
    return Spread.of([go.round_s / side.case.participants for go in side.goes])


def _slower(sides: Sequence[Side], size: int, keys: bool) -> list[Figure]:
    return _paired(sides, size, keys, "bare", lambda go: go.round_s)


def _faster(sides: Sequence[Side], size: int, keys: bool) -> list[Figure]:
    return [
        Figure(
            _participants(mine.case), ratios(*(_each(side, lambda go: go.round_s) for side in (other, mine)))
        )
        for mine, other in pairs(sides, "flower", size, keys)
    ]


def _paired(
    sides: Sequence[Side], size: int, keys: bool, other: str, of: Callable[[Go], float]
) -> list[Figure]:
    return [
        Figure(_participants(mine.case), ratios(*(_each(side, of) for side in (mine, theirs))))
        for mine, theirs in pairs(sides, other, size, keys)
    ]


def _each(side: Side, of: Callable[[Go], float]) -> list[float]:
    return [of(go) for go in side.goes]


def pairs(sides: Sequence[Side], other: str, size: int, keys: bool) -> Iterator[tuple[Side, Side]]:
    """Ours and the other side, for each number of participants that both were measured with."""
    for mine in _ours(sides, size, keys):
        for side in sides:
            if side.name == other and side.case == mine.case:
                yield mine, side


def _ours(sides: Sequence[Side], size: int, keys: bool) -> list[Side]:
    return [s for s in sides if s.name == "ours" and (s.case.parameters, s.case.keys) == (size, keys)]


def _between(
    sides: Sequence[Side], size: int, few: int, many: int, of: Callable[[Side], Spread]
) -> list[Figure]:
    """The ratio of medians: different cases do not alternate."""
    found = {side.case.participants: of(side).median for side in _ours(sides, size, False)}
    if few not in found or many not in found:
        return []
    return [Figure("", Spread.of([found[many] / found[few]]))]


def _participants(case: Case) -> str:
    return f"{case.participants:,}"


def _size(parameters: int) -> str:
    return f"{parameters:,} parameters"


def _how(keys: bool, how: str = "CURVE") -> str:
    return f", {how}" if keys else ""
