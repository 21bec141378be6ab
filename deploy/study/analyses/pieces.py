"""What the analyses of several experiments have in common."""

from collections.abc import Callable, Iterable, Mapping

from deploy.study.findings import Findings, Series
from deploy.study.gain import USUAL, gain_of
from deploy.study.measurements import BEFORE, Measurements, Metric, Pick, When, train
from deploy.study.sizes import Size
from deploy.study.statistics import (
    UNDER,
    Estimate,
    Lifespan,
    lifespan,
    median_lifespan,
)

Analysis = Callable[[Measurements, Size], Findings]
LIFESPANS = (
    "A lifespan, in benign rounds, is from the last measurement of at least .5 to the first one under .5 "
    "after it (>: none was under it; 0: it was under .5 right after the attack); the medians over seeds of "
    "both ends, without those in which it was .5 or more before any attack."
)
SHARES = (
    "A share of the gain is 1 where an arm does as well as full sharing and 0 where it does as well as "
    "training alone; a negative one is below training alone."
)
ANALYSES: dict[str, Analysis] = {}
SUPPORTS = ((False, "backdoor class not in the support set"), (True, "backdoor class in the support set"))
BENIGN_ROUNDS = "benign rounds after the attack"
BEFORE_AT = -6.0  # on an axis of benign rounds
RISE_LABEL = "rise of backdoor accuracy, right after"
MOMENTS: tuple[tuple[When, str], ...] = ((0, "right after"), (BEFORE, "before"))


def analysis_of(name: str) -> Callable[[Analysis], Analysis]:
    """Make it known by the experiment's name."""

    def keep(analysis: Analysis) -> Analysis:
        ANALYSES[name] = analysis
        return analysis

    return keep


def before_after(
    measured: Measurements, pick: Pick, after: Iterable[int], metrics: Mapping[str, Metric]
) -> tuple[Estimate | None, ...]:
    whens: tuple[When, ...] = (BEFORE, *after)
    return tuple(measured.at(pick, when, metric) for metric in metrics.values() for when in whens)


def headings(after: Iterable[int], metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    words = ["before", *("right after" if number == 0 else f"+{number}" for number in after)]
    return tuple(f"{name}, {word}" if name else word for name in metrics for word in words)


def rises(measured: Measurements, pick: Pick, after: Iterable[int]) -> tuple[Estimate | None, ...]:
    """Of backdoor accuracy on attack-train images, above before the attack: paired over seeds, so that what
    a seed's two classes are like drops out."""
    return tuple(measured.risen(pick, when, train) for when in after)


def rise_headings(after: Iterable[int]) -> tuple[str, ...]:
    """Of :func:`rises`: there is none before the attack."""
    return headings(after, {"attack-train, rise": train})[1:]


def lifespan_of(measured: Measurements, pick: Pick, metric: Metric) -> Lifespan | None:
    """The median over seeds; of one whose users take one class for the other anyway there is none."""
    seeds: dict[int, dict[int, float]] = {}
    for number, values in measured.curve(pick, metric).items():
        for seed, value in values.items():
            seeds.setdefault(seed, {})[number] = value
    curves = [curve for curve in seeds.values() if max(curve) >= 0 and curve.get(-1, 0.0) < UNDER]
    return median_lifespan([lifespan(curve) for curve in curves]) if curves else None


def gain_words(measured: Measurements, size: Size) -> str:
    """What the shares of the gain are of, where four participants share what they learn."""
    gain = gain_of(measured, size.benign, USUAL)
    return (
        "The gain is that of the unattacked matching federation over each participant training alone, "
        f"{size.benign} rounds after the moment of the attack, as in the arms"
        f"{f': {gain} of main-task accuracy' if gain else ''}. {SHARES}"
    )


def decisions_of(measured: Measurements, arm: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.decision for row in measured.rows if row.arm.name == arm))


def series_of(
    label: str,
    values: Iterable[tuple[float, Estimate | None]],
    style: str | int,
    *,
    dashed: bool = False,
    joined: bool = True,
) -> Series:
    """Of what was measured."""
    there = [(float(x), y) for x, y in values if y is not None]
    return Series(label, tuple(x for x, _ in there), tuple(y for _, y in there), style, dashed, joined)


def curve_of(
    measured: Measurements,
    pick: Pick,
    metric: Metric,
    label: str,
    style: str | int,
    *,
    dashed: bool = False,
) -> Series:
    """Over benign rounds, with a place of its own for what was measured before the attack: see
    :func:`benign_ticks`."""
    numbers = measured.curve(pick, metric)
    values = [
        (BEFORE_AT if number < 0 else number, measured.at(pick, BEFORE if number < 0 else number, metric))
        for number in numbers
    ]
    return series_of(label, values, style, dashed=dashed)


def benign_ticks(size: Size) -> tuple[tuple[float, str], ...]:
    """Of an axis of benign rounds, right after the attack at 0."""
    rounds = [number for number in size.after if number == 0 or number >= size.benign / 5]
    return ((BEFORE_AT, "before"), *((float(number), str(number)) for number in rounds))
