"""Statistics over seeds. Pure; accuracies are fractions.

A seed is one federation with a split, a backdoor class and a target class of its own, so it is what is
independent here: intervals are over seeds. Intervals over the episodes of one seed are in the measurements.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median, stdev

UNDER = 0.5  # a backdoor is alive from here on
WIDE = 0.1  # an interval of so much to each side says little without the seeds that it is of

# 97.5 % quantiles of Student's t by degrees of freedom; between two entries the wider one counts.
_T = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228,
    11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110, 18: 2.101, 19: 2.093,
    20: 2.086, 25: 2.060, 30: 2.042, 40: 2.021, 60: 2.000, 120: 1.980,
}  # fmt: skip


def t_quantile(degrees: int) -> float:
    """t with which a two-sided 95 % interval is made."""
    return _T[max(known for known in _T if known <= degrees)]


@dataclass(frozen=True)
class Estimate:
    """A mean over ``seeds`` with the half-width of its 95 % interval; None where one seed gives none.

    ``episodes``: of one seed, the half-width over its episodes. It says nothing of other seeds, so it is
    shown and decides nothing. ``values``: of each of several seeds, in their order; ``names``: those
    seeds, where they are known."""

    mean: float
    half: float | None
    seeds: int
    episodes: float | None = None
    values: tuple[float, ...] = field(default=(), compare=False)
    names: tuple[int, ...] = field(default=(), compare=False)

    @property
    def low(self) -> float:
        return -math.inf if self.half is None else self.mean - self.half

    @property
    def high(self) -> float:
        return math.inf if self.half is None else self.mean + self.half

    def __str__(self) -> str:
        if self.half is not None:
            return f"{self.mean:.3f} ± {self.half:.3f}"
        return f"{self.mean:.3f}" + ("" if self.episodes is None else f" (±{self.episodes:.3f})")

    @property
    def is_wide(self) -> bool:
        return self.half is not None and self.half >= WIDE

    @property
    def by_seed(self) -> str:
        """For people: what each seed found."""
        pairs = zip(self.names, self.values, strict=False)
        return ", ".join(f"seed {name}: {value:.3f}" for name, value in pairs)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and t-interval of one value a seed. Raises :class:`ValueError` without any."""
    if not values:
        raise ValueError("no seed has this measurement")
    if len(values) == 1:
        return Estimate(values[0], None, 1)
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(fmean(values), half, len(values), values=tuple(values))


def over_seeds(values: Mapping[int, float]) -> Estimate | None:
    """The same of values by seed; None where no seed has one."""
    return replace(estimate([*values.values()]), names=tuple(values)) if values else None


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate | None:
    """``one`` minus ``other``, seed by seed: what varies from seed to seed in both drops out. Seeds that
    only one of them has are left out; None where no seed has both."""
    return over_seeds({seed: one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())})


@dataclass(frozen=True)
class Ratio:
    """A ratio of means with Fieller's 95 % bounds; None where one seed, or a denominator that may be zero,
    gives none."""

    value: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def sides(self) -> tuple[float, float]:
        """How far the bounds are below and above; 0 where there are none."""
        if self.low is None or self.high is None:
            return 0.0, 0.0
        return max(0.0, self.value - self.low), max(0.0, self.high - self.value)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (no interval)"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def gain_kept(
    arm: Mapping[int, float], alone: Mapping[int, float], full: Mapping[int, float]
) -> Ratio | None:
    """(arm − alone) / (full − alone): the share that a defence keeps of what federating gains over training
    alone. None where there is no gain to keep, or no seed that has all three."""
    seeds = sorted(arm.keys() & alone.keys() & full.keys())
    if not seeds:
        return None
    kept = [arm[seed] - alone[seed] for seed in seeds]
    gain = [full[seed] - alone[seed] for seed in seeds]
    return fieller(kept, gain) if fmean(gain) > 0 else None


def fieller(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The ratio of two means that are paired over seeds (Fieller 1954): bounds are the r with
    (x̄ − r·ȳ)² = t²·var(x̄ − r·ȳ)."""
    n = len(numerators)
    x, y = fmean(numerators), fmean(denominators)
    if n < 2:
        return Ratio(x / y, None, None, n)
    t2 = t_quantile(n - 1) ** 2 / n
    pairs = list(zip(numerators, denominators, strict=True))
    xx = sum((a - x) ** 2 for a, _ in pairs) / (n - 1)
    yy = sum((b - y) ** 2 for _, b in pairs) / (n - 1)
    xy = sum((a - x) * (b - y) for a, b in pairs) / (n - 1)
    a, b, c = y * y - t2 * yy, x * y - t2 * xy, x * x - t2 * xx
    if a <= 0:  # the denominator's own interval holds zero
        return Ratio(x / y, None, None, n)
    root = math.sqrt(max(0.0, b * b - a * c))
    return Ratio(x / y, (b - root) / a, (b + root) / a, n)


@dataclass(frozen=True)
class Lifespan:
    """Benign rounds after the attack until backdoor accuracy is under ``UNDER``, which is known only to be
    from ``low``, the last measured round with as much, to ``high``, the first one after it: infinite where
    none was measured. Both are 0 where it was under it right after the attack already."""

    low: float
    high: float

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f">{self.low:g}"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}–{self.high:g}"


def lifespan(curve: Mapping[int, float]) -> Lifespan:
    """``curve``: benign rounds after the attack → backdoor accuracy; what is before the attack is passed
    over. It ended before the first round from which on it was never measured at ``UNDER`` or more."""
    after = sorted(number for number in curve if number >= 0)
    if not after:
        raise ValueError("nothing was measured after the attack")
    alive = [number for number in after if curve[number] >= UNDER]
    if not alive and after[0] == 0:
        return Lifespan(0, 0)
    last = alive[-1] if alive else 0
    return Lifespan(last, min((number for number in after if number > last), default=math.inf))


def median_lifespan(lifespans: Sequence[Lifespan]) -> Lifespan:
    """The medians of the lower and of the upper ends."""
    if not lifespans:
        raise ValueError("no seed has a lifespan")
    return Lifespan(median(one.low for one in lifespans), median(one.high for one in lifespans))
