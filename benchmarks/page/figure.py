"""Time of a round against participants, and against parameters, with the fit."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from benchmarks.page.fit import Fit
from benchmarks.spread import Spread
from benchmarks.wire.sides import Side
from coordinator.reading.report.style import (
    MUTED,
    SeriesStyle,
    legend_above,
    make_figure,
    save_figure,
    series_style,
)

NAME = "benchmarks-scaling"
ALT = (
    "Time of a round against the number of participants, and against the number of parameters, on "
    "logarithmic axes: fedmeta, bare sockets and Flower."
)
SIDES = {"ours": "fedmeta", "bare": "bare sockets", "flower": "Flower"}


def write(sides: Sequence[Side], fit: Fit | None, folder: Path) -> Path:
    """Its path in ``folder``."""
    figure, ((left, right),) = make_figure(
        1, 2, share_x=False, share_y=True, panel_height=3.4, extra_height=0.6
    )
    plain = [side for side in sides if not side.case.keys]
    looks: dict[str, SeriesStyle] = {}
    _series(
        left,
        looks,
        plain,
        along=lambda side: side.case.participants,
        named=lambda side: f"{side.case.parameters:,} parameters",
        fit=(lambda x, side: fit.at(x, side.case.model_bytes)) if fit else None,
    )
    _series(
        right,
        looks,
        plain,
        along=lambda side: side.case.parameters,
        named=lambda side: f"{side.case.participants:,} participants",
        fit=(lambda x, side: fit.at(side.case.participants, 4 * x)) if fit else None,
    )
    left.set_xlabel("participants")
    left.set_ylabel("seconds a round")
    right.set_xlabel("parameters")
    legend_above(figure, [left, right], columns=3)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        _, drawn = save_figure(figure, NAME, Path(temporary))
        return Path(shutil.copyfile(drawn, folder / drawn.name))


def _series(
    ax: Axes,
    looks: dict[str, SeriesStyle],
    sides: Sequence[Side],
    *,
    along: Callable[[Side], int],
    named: Callable[[Side], str],
    fit: Callable[[int, Side], float] | None,
) -> None:
    """A line for each side and for each value of what is not along the axis, where it has two points."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    groups: dict[str, list[Side]] = defaultdict(list)
    for side in sides:
        groups[f"{SIDES[side.name]}, {named(side)}"].append(side)
    for label, group in groups.items():
        ordered = sorted(group, key=along)
        if len(ordered) < 2:
            continue
        style = looks.setdefault(label, series_style(len(looks)))
        x = [along(side) for side in ordered]
        took = [Spread.of([go.round_s for go in side.goes]) for side in ordered]
        ax.vlines(
            x,
            [one.low for one in took],
            [one.high for one in took],
            color=style.colour,
            linewidth=3,
            alpha=0.35,
        )
        ax.plot(x, [one.median for one in took], **style.kwargs, label=label)
        if fit and ordered[0].name == "ours":
            ax.plot(
                x, [fit(at, ordered[0]) for at in x], color=MUTED, linewidth=1, linestyle=":", label="fit"
            )
