"""Figures of what was measured: accuracies over rounds, and against adaptation steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coordinator.reading.pooling import Measured
from coordinator.reading.report.style import (
    MUTED,
    SeriesStyle,
    fraction_axis,
    legend_above,
    line_with_band,
    make_figure,
    mark_attacks,
    round_axis,
)
from protocol.messages import Interval

Accuracy = Callable[[Measured], Interval]
# Each accuracy as a panel's title, and by its short name as a row of a table.
PANELS: tuple[tuple[str, Accuracy], ...] = (
    ("Main-task accuracy", lambda one: one.main_accuracy),
    ("Backdoor accuracy, attack-train images", lambda one: one.attack_train),
    ("Backdoor accuracy, attack-validation images", lambda one: one.attack_validation),
)
ACCURACIES: tuple[tuple[str, Accuracy], ...] = tuple(
    (name, accuracy)
    for name, (_, accuracy) in zip(
        ("main task", "backdoor, attack-train", "backdoor, attack-validation"), PANELS, strict=True
    )
)
ROUNDS_SHOWN = 5
# One part of the rounds is shown on its own where it would be squeezed to less than this share of the axis.
SQUEEZED = 0.3


@dataclass(frozen=True)
class Series:
    """One line of a figure: measurements that differ in their round, or in their steps, only."""

    label: str
    style: SeriesStyle
    measured: Sequence[Measured]


def case_title(held: bool) -> str:
    return "backdoor class in the support set" if held else "backdoor class not in the support set"


def accuracy_figure(
    series: Sequence[Series],
    attacks: Sequence[int],
    way: int | None,
    *,
    first: int | None = None,
    axis: str = "round",
) -> Figure:
    """Three panels above each other, a column for each case (backdoor class in the support set or not), from
    round ``first`` on. Where several participants measured, each is a thin line of its own."""
    cases = sorted({one.backdoor_in_support for line in series for one in line.measured})
    start = min(one.round for line in series for one in line.measured) if first is None else first
    figure, axes = make_figure(len(PANELS), len(cases), share_x=True, share_y=True, panel_height=2.1)
    for column, held in enumerate(cases):
        for row, (title, accuracy) in enumerate(PANELS):
            ax = axes[row][column]
            for one in series:
                points = [m for m in one.measured if m.backdoor_in_support == held and m.round >= start]
                _lines_over_rounds(ax, points, accuracy, one)
            fraction_axis(ax, "" if column else "fraction", way, named=row == 0 and column == len(cases) - 1)
            mark_attacks(ax, [r for r in attacks if r >= start], named=row == 0)
            ax.set_title(" " if column else title)
        round_axis(axes[-1][column], 8 // len(cases), axis)
        if len(cases) > 1:
            axes[0][column].annotate(
                case_title(held), (0.0, 1.0), xycoords="axes fraction", xytext=(0, 20),
                textcoords="offset points", ha="left", va="bottom", fontsize=8.5, color=MUTED,
            )  # fmt: skip
    legend_above(figure, [ax for row_ in axes for ax in row_])
    return figure


def _lines_over_rounds(ax: Axes, points: Sequence[Measured], accuracy: Accuracy, series: Series) -> None:
    if not points:
        return
    x = [point.round for point in points]
    for name in sorted({name for point in points for name in point.evaluators if len(point.each) > 1}):
        own = [(p.round, _of(name, p, accuracy)) for p in points if name in p.evaluators]
        ax.plot(
            [r for r, _ in own], [v for _, v in own], color=series.style.colour, linewidth=0.6, alpha=0.45
        )
    values = [accuracy(point) for point in points]
    line_with_band(ax, x, [v.mean for v in values], [v.ci95 for v in values], series.style, series.label)


def _of(name: str, point: Measured, accuracy: Accuracy) -> float:
    (own,) = [evaluation for evaluation in point.each if evaluation.auditor == name]
    alone = Measured(
        point.round, point.decision, point.shot, point.adaptation_steps, point.backdoor_in_support,
        point.transductive, own.main_accuracy, own.backdoor_accuracy.attack_train,
        own.backdoor_accuracy.attack_validation, (own,),
    )  # fmt: skip
    return accuracy(alone).mean


def squeezed_from(rounds: Sequence[int], attacks: Sequence[int]) -> int | None:
    """The round from which the attack is to be shown once more on its own, the last measured one before it;
    None where the figure over all rounds shows it well enough."""
    before = [number for number in rounds if attacks and number < min(attacks)]
    if len(before) < 2 or max(rounds) <= max(before):
        return None
    wide = max(rounds) - min(rounds)
    return max(before) if max(rounds) - max(before) < SQUEEZED * wide else None


def notable_rounds(rounds: Sequence[int], attacks: Sequence[int], count: int = ROUNDS_SHOWN) -> list[int]:
    """At most ``count`` measured rounds: the last before the attack, the first after it, the first after its
    end, the last of all, and what lies evenly between."""
    rounds = sorted(set(rounds))
    if len(rounds) <= count:
        return rounds
    kept = {rounds[-1]}
    if attacks:
        kept |= {max((r for r in rounds if r < min(attacks)), default=rounds[0])}
        kept |= {
            min((r for r in rounds if r >= end), default=rounds[-1]) for end in (min(attacks), max(attacks))
        }
    rest = [r for r in rounds if r not in kept and r > min(kept)] or [r for r in rounds if r not in kept]
    free = count - len(kept)
    kept |= {rest[(i + 1) * len(rest) // (free + 1)] for i in range(free) if rest}
    return sorted(kept)


def steps_figure(
    series: Sequence[Series],
    rounds: Sequence[tuple[int, str]],
    way: int | None,
    *,
    numbered: bool = True,
) -> Figure:
    """Accuracy against adaptation steps: a row for each of ``rounds`` (number and what it is called), a
    column for each accuracy. What does not adapt is a level line."""
    figure, axes = make_figure(
        len(rounds), len(PANELS), share_x=True, share_y=True, panel_height=1.75, extra_height=0.35
    )
    steps = sorted({m.adaptation_steps for one in series for m in one.measured})
    for row, (number, called) in enumerate(rounds):
        for column, (title, accuracy) in enumerate(PANELS):
            ax = axes[row][column]
            for one in series:
                points = [m for m in one.measured if m.round == number]
                _line_over_steps(ax, points, accuracy, one, steps[-1])
            where = f"{called}\nround {number}" if numbered else called
            fraction_axis(ax, "" if column else where, way, named=row == 0 and column == len(PANELS) - 1)
            ax.yaxis.label.set_fontsize(8)
            if row == 0:
                ax.set_title(title.replace(", ", ",\n"))
    for ax in axes[-1]:
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(-0.15, steps[-1] * 1.15)
        ax.set_xticks(steps, step_labels(steps), fontsize=7.5)
        ax.minorticks_off()
        ax.set_xlabel("adaptation steps")
    legend_above(figure, [ax for row_ in axes for ax in row_])
    return figure


def step_labels(steps: Sequence[int]) -> list[str]:
    """The numbers of a logarithmic axis in one of three columns: what would touch its neighbour goes on a
    second line, and is left out where that is taken as well."""
    ends: dict[str, float] = {"": -math.inf, "\n": -math.inf}
    labels = []
    for step in steps:
        # In decades; from 0 to 1 it is somewhat more than one.
        middle, half = (1.1 + math.log10(step) if step else 0.0), 0.055 * len(str(step))
        free = next((line for line, end in ends.items() if end <= middle - half), None)
        labels.append("" if free is None else f"{free}{step}")
        if free is not None:
            ends[free] = middle + half + 0.07
    return labels


def _line_over_steps(
    ax: Axes, points: Sequence[Measured], accuracy: Accuracy, series: Series, last: int
) -> None:
    if not points:
        return
    values = [accuracy(point) for point in points]
    x = [point.adaptation_steps for point in points]
    if x == [0]:
        (value,) = values
        ax.plot(
            [0, last], [value.mean] * 2, color=series.style.colour, linestyle="-", linewidth=1.2, alpha=0.8
        )
        ax.fill_between(
            [0, last], max(0.0, value.mean - value.ci95), min(1.0, value.mean + value.ci95),
            color=series.style.colour, alpha=0.12, linewidth=0,
        )  # fmt: skip
        ax.plot(x, [value.mean], **series.style.kwargs, label=series.label, markeredgewidth=0)
        return
    line_with_band(ax, x, [v.mean for v in values], [v.ci95 for v in values], series.style, series.label)
