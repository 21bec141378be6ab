"""What several repetitions say of one figure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spread:
    """Their median, the least and the most."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Raises ``ValueError`` where there is none."""
        if not values:
            raise ValueError("a spread of nothing")
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.low == self.high:
            return short(self.median)
        return f"{short(self.median)} ({short(self.low)}–{short(self.high)})"


@dataclass(frozen=True)
class Comparison:
    """Seconds that the same work took on two sides, one after the other in each repetition."""

    what: str
    reference_s: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)

    @property
    def times_as_long(self) -> Spread:
        return ratios(self.ours_s, self.reference_s)

    @property
    def times_faster(self) -> Spread:
        return ratios(self.reference_s, self.ours_s)


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Of what was measured one after the other: each repetition is a ratio of its own."""
    return Spread.of([one / other for one, other in zip(above, below, strict=True)])


def short(value: float) -> str:
    """Three digits, or more before the point."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
