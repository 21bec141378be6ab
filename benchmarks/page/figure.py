"""Time of a round against participants, and against parameters, with the fit."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.page.fit import Fit
from benchmarks.spread import Spread
from benchmarks.wire.sides import Side
from coordinator.reading.report.style import MUTED, legend_above, make_figure, save_figure, series_style

NAME = "benchmarks-scaling"
ALT = (
    "Time of a round against the number of participants, and against the number of parameters, on "
    "logarithmic axes: fedmeta, bare sockets and Flower."
)
SIDES = {"ours": "fedmeta", "bare": "bare sockets", "flower": "Flower"}
FEW = 4  # participants, where the parameters differ
MARKERS = ("o", "s", "^", "D", "v")


def write(sides: Sequence[Side], fit: Fit | None, folder: Path) -> Path:
    """Its path in ``folder``."""
    figure, ((left, right),) = make_figure(
        1, 2, share_x=False, share_y=True, panel_height=3.6, extra_height=0.6
    )
    plain = [side for side in sides if not side.case.keys]
    sizes = sorted({side.case.parameters for side in plain})
    for size in sizes:
        marker = MARKERS[sizes.index(size) % len(MARKERS)]
        of_size = [side for side in plain if side.case.parameters == size]
        _lines(left, of_size, _participants, fit, marker, f"{_short(size)} parameters")
    of_few = [side for side in plain if side.case.participants == FEW]
    _lines(right, of_few, _parameters, fit, "o", f"{FEW} participants")
    _axis(left, {_participants(side) for side in plain}, "participants")
    _axis(right, {_parameters(side) for side in of_few}, "parameters")
    left.set_ylabel("a round")
    left.set_title("Parameters as named")
    right.set_title(f"{FEW} participants")
    legend_above(figure, [left, right], columns=3)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        _, drawn = save_figure(figure, NAME, Path(temporary))
        return Path(shutil.copyfile(drawn, folder / drawn.name))


def _lines(
    ax: Axes,
    sides: Sequence[Side],
    along: Callable[[Side], int],
    fit: Fit | None,
    marker: str,
    label: str,
) -> None:
    """One of each side that has two points at least, with the spread of their repetitions."""
    for index, (name, shown) in enumerate(SIDES.items()):
        ordered = sorted((side for side in sides if side.name == name), key=along)
        if len(ordered) < 2:
            continue
        colour = series_style(index).colour
        x = [along(side) for side in ordered]
        took = [Spread.of([go.round_s for go in side.goes]) for side in ordered]
        low, high = [one.low for one in took], [one.high for one in took]
        ax.vlines(x, low, high, color=colour, linewidth=3, alpha=0.35)
        ax.plot(x, [one.median for one in took], color=colour, marker=marker, label=f"{shown}, {label}")
        if fit and name == "ours":
            at = [fit.at(side.case.participants, side.case.model_bytes) for side in ordered]
            ax.plot(x, at, color=MUTED, linewidth=1, linestyle=":", label="fitted")


def _axis(ax: Axes, values: Iterable[int], label: str) -> None:
    """Logarithmic, with a tick where something was measured."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(sorted(values), [_short(value) for value in sorted(values)])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _duration(value)))
    ax.set_xlabel(label)


def _participants(side: Side) -> int:
    return side.case.participants


def _parameters(side: Side) -> int:
    return side.case.parameters


def _short(number: int) -> str:
    """10000 → 10 k"""
    for unit, name in ((1_000_000, " M"), (1_000, " k")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return str(number)


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 0.1 else f"{1000 * seconds:g} ms"
