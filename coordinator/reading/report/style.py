"""How figures look, and how they are written: the same bytes for the same data, without a display.

Figures are matplotlib ``Figure`` objects on their own Agg canvas, never pyplot's. Their colours are told
apart by people with any colour vision (after Okabe and Ito), each series has a marker of its own as well, and
in a page every colour becomes a CSS variable, so that a dark page shows dark figures.
"""

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.ticker import MaxNLocator

WIDTH = 7.2  # inches: one column of the page
PANEL_HEIGHT = 2.5
PNG_DPI = 160

INK, MUTED, GRID, PAPER, ATTACK = "#1f2328", "#59636e", "#d8dee4", "#ffffff", "#b3123f"
# Each colour with what it becomes on a dark page.
SERIES_COLOURS = {
    "#0072b2": "#58b4f2",  # blue
    "#d55e00": "#ff9256",  # vermillion
    "#00825f": "#3fcfa6",  # green
    "#a94f8b": "#e59cc9",  # purple
    "#a06a00": "#efb73e",  # ochre
    "#5b4bb3": "#b3a5ff",  # violet
    "#4d5761": "#b6c0ca",  # grey
}
GREY = 6  # by its place
DARK = {
    INK: "#e6edf3",
    MUTED: "#9aa5b1",
    GRID: "#333b44",
    PAPER: "#14181d",
    ATTACK: "#ff7b93",
    **SERIES_COLOURS,
}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Dashes = tuple[float, tuple[float, ...]]  # offset, and lengths of strokes and gaps in widths of the line
_LINES: tuple[str | Dashes, ...] = ("-", (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.4, 1.2, 1.4)))
# The decision logics look the same in every figure of the project.
_DECISIONS = {"linear": 1, "fresh-head": 4, "matching": 0, "matching-tuned": 2}

STYLE: dict[Any, Any] = {  # keys Any: matplotlib's stubs list every key as a literal
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same picture on every machine
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "svg.hashsalt": "fedmeta",  # identifiers in an SVG follow from what is drawn
    "path.simplify": True,
}


@dataclass(frozen=True)
class SeriesStyle:
    """The looks of one line of a figure: ``ax.plot(x, y, **style.kwargs)``."""

    colour: str
    marker: str
    line: str | Dashes

    @property
    def kwargs(self) -> dict[str, Any]:
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


def series_style(index: int) -> SeriesStyle:
    """The looks of the ``index``-th series, counted from 0; after the last colour other dashes begin, and
    every colour has another marker."""
    colours = list(SERIES_COLOURS)
    again = index // len(colours)
    marker = _MARKERS[(index + again) % len(_MARKERS)]
    return SeriesStyle(colours[index % len(colours)], marker, _LINES[again % len(_LINES)])


def decision_style(name: str, names: Sequence[str] = ()) -> SeriesStyle:
    """The looks of a decision logic: its own where the project knows it, else one that is left over,
    by its place among ``names``."""
    if name in _DECISIONS:
        return series_style(_DECISIONS[name])
    others = [other for other in names if other not in _DECISIONS]
    free = [i for i in range(len(SERIES_COLOURS)) if i not in _DECISIONS.values()]
    place = others.index(name) if name in others else 0
    return series_style(free[place % len(free)] + place // len(free) * len(SERIES_COLOURS))


def make_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = WIDTH,
    panel_height: float = PANEL_HEIGHT,
    share_x: bool = True,
    share_y: bool = False,
    extra_height: float = 0.0,
) -> tuple[Figure, list[list[Axes]]]:
    """A figure in the project's style, and its panels as ``axes[row][column]``; sizes in inches.

    The style is set for all of matplotlib: artists are styled when they are made, after this returns.
    """
    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=(width, rows * panel_height + extra_height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y)
    return figure, [list(row) for row in axes]


def fraction_axis(ax: Axes, label: str = "", way: int | None = None, *, named: bool = True) -> None:
    """A y axis for fractions, 0 to 1; with ``way`` = K the line of chance, 1/K, ``named`` so: to the right of
    the axes, where nothing is drawn."""
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    ax.set_ylabel(label)
    if way:
        ax.axhline(1 / way, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    if way and named:
        ax.annotate(
            f"chance,\n1/{way}",
            (1.0, 1 / way),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=7.5,
            color=MUTED,
        )


def line_with_band(
    ax: Axes,
    x: Sequence[float],
    mean: Sequence[float],
    half: Sequence[float],
    style: SeriesStyle,
    label: str | None = None,
    *,
    clip: tuple[float, float] | None = (0.0, 1.0),
) -> None:
    """Means with their 95 % bands (``half``: half-widths), within ``clip``; ``label`` for the legend."""
    low, high = (
        [m - h for m, h in zip(mean, half, strict=True)],
        [m + h for m, h in zip(mean, half, strict=True)],
    )
    if clip:
        low, high = [max(clip[0], v) for v in low], [min(clip[1], v) for v in high]
    if len(x) == 1:
        ax.vlines(x, low, high, color=style.colour, linewidth=3.0, alpha=0.35)
    else:
        ax.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
    ax.plot(x, mean, **style.kwargs, label=label, markeredgewidth=0)


def round_axis(ax: Axes, ticks: int = 8, label: str = "round") -> None:
    """An x axis of round numbers: whole and round ones."""
    ax.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10], integer=True))
    ax.set_xlabel(label)


def mark_attacks(ax: Axes, rounds: Sequence[int], *, named: bool = True, below: bool = False) -> None:
    """The rounds of an attack: a line each, neighbours as one span; ``named`` says so beside the first, at
    the top or ``below``. To be called when all else is drawn, since that decides on which side."""
    for first, last in runs_of(rounds):
        if last > first:
            ax.axvspan(first - 0.5, last + 0.5, color=ATTACK, alpha=0.12, linewidth=0, zorder=0)
        else:
            ax.axvline(first, color=ATTACK, linewidth=1.1, linestyle=(0, (2, 2)), zorder=1)
    if rounds and named:
        left, right = ax.get_xlim()
        crowded = min(rounds) > left + 0.8 * (right - left)
        ax.annotate(
            "attack" if len(rounds) == 1 else f"{len(rounds)} attack rounds",
            (min(rounds), 0.0 if below else 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if crowded else 3, 2 if below else -2),
            textcoords="offset points",
            ha="right" if crowded else "left",
            va="bottom" if below else "top",
            fontsize=7.5,
            color=ATTACK,
        )


def runs_of(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs without a gap: [3, 4, 5, 9] → [(3, 5), (9, 9)]."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def legend_above(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """One legend for all panels, over them; what several panels have in common is named once. At most so many
    ``columns``, fewer where the names are too long for that: the figure grows by the rows that takes more."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    columns = min(columns, len(found))
    legend = _legend(figure, found, columns)
    wanted = _inches(legend)[1]
    letters = max(map(len, found))
    while _inches(legend)[0] > figure.get_figwidth() and letters > 1:
        legend.remove()
        if columns > 1:
            columns -= 1
        else:
            letters = letters * 9 // 10
        folded = {textwrap.fill(label, letters): handle for label, handle in found.items()}
        legend = _legend(figure, folded, columns)
    figure.set_figheight(figure.get_figheight() + (_inches(legend)[1] - wanted))
    for shown in legend.legend_handles:
        if isinstance(shown, PathCollection):  # dots may be tiny where there are many
            shown.set_sizes([28.0])
            shown.set_alpha(0.9)


def _legend(figure: Figure, found: Mapping[str, Any], columns: int) -> Legend:
    # Where colours come again, what a line is known by are its dashes.
    long = 3.4 if len(found) > len(SERIES_COLOURS) else 1.8
    return figure.legend(
        list(found.values()), list(found), loc="outside upper left", ncols=columns, borderaxespad=0.2,
        handlelength=long, columnspacing=1.6,
    )  # fmt: skip


def _inches(legend: Legend) -> tuple[float, float]:
    """Width and height. A page's own letters are hardly wider than those that are measured here."""
    box = legend.get_window_extent()
    dpi = legend.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi, box.height / dpi


def literal(text: str) -> str:
    """A foreign text as a label: matplotlib reads ``$`` as mathematics, and leaves what begins with ``_`` out
    of a legend."""
    return f"{' ' if text.startswith('_') else ''}{text}".replace("$", r"\$")


def save_figure(figure: Figure, stem: str, directory: Path) -> tuple[Path, Path]:
    """Write ``stem.png`` and ``stem.svg``; without dates or versions in them. Raises ``OSError``."""
    paths = directory / f"{stem}.png", directory / f"{stem}.svg"
    _settle(figure)
    figure.savefig(paths[0], dpi=PNG_DPI, metadata={"Software": None})
    # Letters as outlines: a file on its own looks the same wherever it is opened.
    with matplotlib.rc_context({"svg.fonttype": "path"}):
        figure.savefig(paths[1], dpi=PNG_DPI, metadata={"Date": None, "Creator": None})
    return paths


def inline_svg(figure: Figure, stem: str) -> str:
    """The figure as an ``<svg>`` element for a page: transparent, its letters the page's own, its colours CSS
    variables (``--fig-1f2328``, light by default), its identifiers prefixed by ``stem``, unique in a page."""
    _settle(figure)
    output = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(
            output, format="svg", dpi=PNG_DPI, transparent=True, metadata={"Date": None, "Creator": None}
        )
    return for_page(output.getvalue(), stem)


def _settle(figure: Figure) -> None:
    """Lay the panels out once, since that takes longer than drawing them."""
    matplotlib.rcParams.update(STYLE)
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def for_page(svg: str, stem: str) -> str:
    """A stand-alone SVG document as part of a page; see :func:`inline_svg`."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{stem}-', svg)
    svg = re.sub(r'href="#', f'href="#{stem}-', svg)
    svg = re.sub(r"url\(#", f"url(#{stem}-", svg)
    # matplotlib's own style element would apply to the whole page; the page's style sheet says the same.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--fig-font, sans-serif)", svg)
    for colour in DARK:
        svg = svg.replace(colour, f"var(--fig-{colour[1:]}, {colour})")
    return svg


def colour_variables(dark: bool) -> str:
    """The CSS declarations of the colours that :func:`inline_svg` refers to."""
    return " ".join(f"--fig-{light[1:]}: {night if dark else light};" for light, night in DARK.items())
