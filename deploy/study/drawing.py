"""Figures from plain data, in the project's style."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from coordinator.reading.report.style import (
    SeriesStyle,
    decision_style,
    fraction_axis,
    legend_above,
    line_with_band,
    make_figure,
    series_style,
)
from deploy.study.federations import WAY
from deploy.study.findings import Figure, Panel, Series, Trail
from deploy.study.statistics import Estimate, Ratio


def draw(figure: Figure) -> Canvas:
    """Panels side by side; their lines named once, above."""
    crowded = max(
        len({series.label for series in panel.series} | {trail.label for trail in panel.trails})
        for panel in figure.panels
    )
    canvas, axes = make_figure(
        1,
        len(figure.panels),
        panel_height=3.2,
        share_x=False,
        share_y=True,
        extra_height=0.16 * crowded / 2,
    )
    for ax, panel in zip(axes[0], figure.panels, strict=True):
        _draw_panel(ax, panel, first=ax is axes[0][0], last=ax is axes[0][-1])
    legend_above(canvas, axes[0], columns=3 if crowded > 4 else 2)
    return canvas


def _draw_panel(ax: Axes, panel: Panel, *, first: bool, last: bool) -> None:
    fraction_axis(ax, panel.y_label if first else "", WAY if panel.chance else None, named=last)
    ax.set_title(panel.title)
    ax.set_xlabel(panel.x_label)
    for series in panel.series:
        _draw_series(ax, series)
    for trail in panel.trails:
        _draw_trail(ax, trail)
    lowest = min(_lowest(panel), default=0.0)
    ax.set_ylim(bottom=min(ax.get_ylim()[0], lowest - 0.03))
    if panel.ticks:
        long = any(len(text) > 6 for _, text in panel.ticks)
        ax.set_xticks([x for x, _ in panel.ticks], [text for _, text in panel.ticks])
        if long:
            ax.tick_params(axis="x", labelrotation=60, labelsize=7)


def _lowest(panel: Panel) -> list[float]:
    """Of what is drawn: a rise can be a fall."""
    drawn = [y for series in panel.series for y in series.y]
    drawn += [point.y for trail in panel.trails for point in trail.points]
    return [low for y in drawn for low in (y.mean - _half(y), *y.values)]


def _draw_series(ax: Axes, series: Series) -> None:
    style = decision_style(series.style) if isinstance(series.style, str) else series_style(series.style)
    if series.dashed:
        style = SeriesStyle(style.colour, style.marker, ":")
    means = [y.mean for y in series.y]
    hollow = series.dashed and not series.joined
    _draw_seeds(ax, series.x, series.y, style, joined=series.joined, hollow=hollow)
    if not series.joined:
        ax.errorbar(
            series.x, means, [_half(y) for y in series.y], fmt=style.marker, color=style.colour,
            markerfacecolor="none" if hollow else style.colour, elinewidth=0.8, label=series.label,
        )  # fmt: skip
        return
    line_with_band(ax, series.x, means, [_half(y) for y in series.y], style, series.label)


def _draw_seeds(
    ax: Axes, x: Sequence[float], y: Sequence[Estimate], style: SeriesStyle, *, joined: bool, hollow: bool
) -> None:
    """What intervals of three seeds would hide: the seeds themselves. Lines where each has every value."""
    if joined and len({(value.names, len(value.values)) for value in y}) == 1 and len(x) > 1:
        for line in zip(*(value.values for value in y), strict=True):
            ax.plot(x, line, color=style.colour, linewidth=0.7, linestyle=style.line, alpha=0.5)
        return
    for at, value in zip(x, y, strict=True):
        _points(ax, [at] * len(value.values), value.values, style, hollow=hollow)


def _points(
    ax: Axes, x: Sequence[float], y: Sequence[float], style: SeriesStyle, *, hollow: bool = False
) -> None:
    inside = "none" if hollow else style.colour
    ax.plot(
        x, y, ".", color=style.colour, markersize=4.4, markeredgewidth=0.6, markerfacecolor=inside, alpha=0.6
    )


def _draw_trail(ax: Axes, trail: Trail) -> None:
    style = series_style(trail.style)
    x, y = [_place(point.x) for point in trail.points], [point.y for point in trail.points]
    below, above = ([sides(point.x)[i] for point in trail.points] for i in (0, 1))
    for point in trail.points:
        of_seeds = point.x.values if isinstance(point.x, Estimate) else ()
        # A share of a gain is a ratio of means: no seed has one of its own.
        across = of_seeds if len(of_seeds) == len(point.y.values) else [_place(point.x)] * len(point.y.values)
        _points(ax, across, point.y.values, style)
    ax.errorbar(
        x, [value.mean for value in y], xerr=[below, above], yerr=[_half(value) for value in y],
        fmt=style.marker, color=style.colour, elinewidth=0.6, linestyle="-" if len(x) > 1 else "none",
        linewidth=1.2, label=trail.label, alpha=0.9,
    )  # fmt: skip
    for point in trail.points:
        if point.label:
            at = _place(point.x), point.y.mean
            ax.annotate(point.label, at, xytext=(4, 3), textcoords="offset points", fontsize=7)


def _place(value: Estimate | Ratio) -> float:
    return value.value if isinstance(value, Ratio) else value.mean


def sides(value: Estimate | Ratio) -> tuple[float, float]:
    """How far an interval reaches down and up; Fieller's is not symmetric."""
    return value.sides if isinstance(value, Ratio) else (_half(value), _half(value))


def _half(value: Estimate) -> float:
    """Of one seed, over its episodes. Of several the seeds are drawn: an interval of a few, mostly wider than
    the axis, is for the tables."""
    return 0.0 if value.values else value.half or value.episodes or 0.0
