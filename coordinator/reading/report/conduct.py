"""Figures of how a run went: update norms, participants coming and going, seconds and bytes of each round."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from coordinator.reading.report.frames import MovementRow, RoundRow, UpdateRow, natural
from coordinator.reading.report.style import (
    ATTACK,
    MUTED,
    SeriesStyle,
    legend_above,
    literal,
    make_figure,
    mark_attacks,
    round_axis,
    series_style,
)
from coordinator.reading.views import OUTLIER

POINTS_SHOWN = 4000
BINS = 400
AROUND = 10  # rounds before and after an attack that are shown on their own
STRAGGLING = 10.0  # times the median round: from there on seconds are drawn on a logarithmic axis
PARTICIPANTS_SHOWN = 40


def thinned(rows: Sequence[UpdateRow], limit: int) -> list[UpdateRow]:
    """At most about ``limit`` updates in their order: all of attack rounds and all outliers, and every n-th
    of the others, whole rounds at a time."""
    if len(rows) <= limit:
        return list(rows)
    special = [row.attack or (row.times_median or 0.0) >= OUTLIER for row in rows]
    few = max(1, limit - sum(special))
    step = -(-(len(rows) - sum(special)) // few)
    return [row for row, keep in zip(rows, special, strict=True) if keep or row.round % step == 0]


def norms_figure(rows: Sequence[UpdateRow], attacks: Sequence[int]) -> Figure:
    """The norm of every update (positive ones), logarithmic; beside it the rounds around the attack."""
    first, last = min(row.round for row in rows), max(row.round for row in rows)
    near = (min(attacks) - AROUND, max(attacks) + AROUND) if attacks else (first, last)
    zoom = bool(attacks) and (last - first) > 1.6 * (near[1] - near[0])
    figure, ((ax, *others),) = make_figure(1, 2 if zoom else 1, share_x=False, share_y=True, panel_height=3.1)
    _norm_axis(ax, rows)
    _norm_points(ax, thinned(rows, POINTS_SHOWN), size=7 if len(rows) < 1500 else 3)
    mark_attacks(ax, attacks, named=not zoom)
    ax.set_title("All rounds" if zoom else "L2 norm of each update")
    ax.set_ylabel("L2 norm")
    for close in others:
        _norm_points(close, [row for row in rows if near[0] <= row.round <= near[1]], size=14)
        mark_attacks(close, attacks, below=True)
        close.set_title("Around the attack")
    for any_ in (ax, *others):
        round_axis(any_, 10 // (1 + len(others)))
    legend_above(figure, [ax, *others])
    return figure


def compared_norms_figure(runs: Sequence[tuple[str, Sequence[UpdateRow], Sequence[int]]]) -> Figure:
    """A panel for each run (label, updates of positive norm, attack rounds), on one axis of norms."""
    figure, axes = make_figure(len(runs), 1, share_x=False, share_y=True, panel_height=1.7)
    every = [row for _, rows, _ in runs for row in rows]
    share = max(500, POINTS_SHOWN * 2 // len(runs))
    for (ax,), (label, rows, attacks) in zip(axes, runs, strict=True):
        _norm_axis(ax, every)
        _norm_points(ax, thinned(rows, share), size=7 if len(rows) < 1500 else 3)
        mark_attacks(ax, attacks, below=True)
        ax.set_title(label)
        ax.set_ylabel("L2 norm")
        round_axis(ax, 8, "")
    axes[-1][0].set_xlabel("round")
    legend_above(figure, [row[0] for row in axes])
    return figure


def _norm_axis(ax: Axes, rows: Sequence[UpdateRow]) -> None:
    """Logarithmic, at least a decade high, since norms that hardly differ should not look as if they did."""
    low, high = 0.7 * min(row.norm for row in rows), 1.5 * max(row.norm for row in rows)
    high = max(high, 10 * low)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    _plain_ticks(ax, (1.0, 2.0, 5.0) if high / low < 300 else (1.0,))


def _plain_ticks(ax: Axes, within_decade: tuple[float, ...]) -> None:
    ax.yaxis.set_major_locator(LogLocator(subs=within_decade))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _norm_points(ax: Axes, rows: Sequence[UpdateRow], size: float) -> None:
    roles_known = any(row.role for row in rows)
    benign = [row for row in rows if row.role != "malicious"]
    malicious = [row for row in rows if row.role == "malicious"]
    quiet = [row for row in malicious if not row.attack]
    loud = [row for row in malicious if row.attack]
    blue = series_style(0).colour
    label = "benign participants" if roles_known else "participants"
    styles: tuple[tuple[Sequence[UpdateRow], dict[str, Any]], ...] = (
        (quiet, {"s": size, "color": ATTACK, "alpha": 0.5, "label": "malicious, in other rounds"}),
        (benign, {"s": size, "color": blue, "alpha": 0.5, "label": label}),
        (loud, {"s": max(26.0, 2 * size), "color": ATTACK, "marker": "D", "label": "malicious, attacking"}),
    )
    for some, style in styles:
        if some:
            # Many points are a picture in the SVG, too: as shapes they would be megabytes.
            x, y = [row.round for row in some], [row.norm for row in some]
            ax.scatter(x, y, linewidths=0, rasterized=len(some) > 500, **style)


@dataclass(frozen=True)
class Presence:
    """A participant was there from one round to another; ``open`` at the end of what is known."""

    participant: str
    first: int
    last: int
    ending: str | None


def presences(movements: Sequence[MovementRow], last_round: int) -> list[Presence]:
    """Joining and leaving as stretches of rounds, in the order of the movements."""
    since: dict[str, int] = {}
    found = []
    for move in movements:
        if move.kind == "joined":
            since.setdefault(move.participant, move.round)
        elif move.kind in ("lost", "left") and move.participant in since:
            ending = "restart" if move.reason == "restart" else move.kind
            found.append(Presence(move.participant, since.pop(move.participant), move.round, ending))
    found += [Presence(name, first, last_round, None) for name, first in since.items()]
    return found


def timeline_figure(
    movements: Sequence[MovementRow],
    roles: dict[str, str],
    attacks: Sequence[int],
    restarts: Sequence[int],
    last_round: int,
) -> Figure:
    """A bar for each stretch of rounds in which a participant was there; of many participants those that
    were lost or refused come first."""
    eventful = [m.participant for m in movements if m.kind in ("lost", "refused") and m.reason != "restart"]
    every = {m.participant for m in movements}
    names = sorted(every, key=lambda name: (-eventful.count(name), natural(name)))
    names = sorted(names[:PARTICIPANTS_SHOWN], key=natural, reverse=True)
    figure, ((ax,),) = make_figure(panel_height=0.9 + 0.2 * len(names))
    place = {name: i for i, name in enumerate(names)}
    blue, ochre = series_style(0).colour, series_style(4).colour
    for stretch in presences(movements, last_round):
        if stretch.participant in place:
            y = place[stretch.participant]
            colour = ATTACK if roles.get(stretch.participant) == "malicious" else blue
            width = max(stretch.last - stretch.first, last_round * 0.002)
            ax.barh(y, width, left=stretch.first, height=0.5, color=colour, alpha=0.35, linewidth=0)
    marks: dict[str, tuple[str, dict[str, Any]]] = {
        "joined": ("joined", {"marker": "|", "color": blue, "s": 60, "linewidths": 1.6}),
        "lost": ("lost", {"marker": "x", "color": ATTACK, "s": 34, "linewidths": 1.8}),
        "left": ("left", {"marker": "<", "color": MUTED, "s": 26, "linewidths": 0}),
        "refused": ("refused", {"marker": "D", "color": ochre, "s": 22, "linewidths": 0}),
    }
    for kind, (label, style) in marks.items():
        some = [m for m in movements if m.kind == kind and m.participant in place and m.reason != "restart"]
        if some:
            ax.scatter(
                [m.round for m in some], [place[m.participant] for m in some], label=label, zorder=3, **style
            )
    for i, restart in enumerate(restarts):
        ax.axvline(restart, color=MUTED, linewidth=1.2, label=None if i else "coordinator restarted")
    mark_attacks(ax, attacks, named=False)
    ax.set_yticks(range(len(names)), [shortened(name) for name in names])
    for tick, name in zip(ax.get_yticklabels(), names, strict=True):
        if roles.get(name) == "malicious":
            tick.set_color(ATTACK)
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.grid(visible=False, axis="y")
    round_axis(ax)
    legend_above(figure, [ax], columns=5)
    return figure


def shortened(name: str, most: int = 24) -> str:
    """A name that leaves room for the figure."""
    return literal(name if len(name) <= most else f"{name[: most - 1]}…")


@dataclass(frozen=True)
class Cost:
    """The completed rounds of one run, for :func:`cost_figure`."""

    label: str
    style: SeriesStyle
    rows: Sequence[RoundRow]


def cost_figure(costs: Sequence[Cost], attacks: Sequence[int]) -> Figure:
    """Seconds, and bytes to and from participants, of each round. Of many rounds, the median of each of at
    most ``BINS`` stretches, and for a single run its smallest and largest as a band."""
    figure, axes = make_figure(2, 1, panel_height=1.9)
    seconds, traffic = axes[0][0], axes[1][0]
    alone = len(costs) == 1
    for cost in costs:
        x, low, mid, high = binned([(r.round, r.seconds) for r in cost.rows])
        if alone and len(cost.rows) > BINS:
            seconds.fill_between(x, low, high, color=cost.style.colour, alpha=0.2, linewidth=0)
        seconds.plot(
            x, mid, color=cost.style.colour, linestyle=cost.style.line, linewidth=1.0,
            label=None if alone else cost.label,
        )  # fmt: skip
        for i, (way, values) in enumerate(
            (
                ("from participants", [(r.round, r.bytes_in / 1e6) for r in cost.rows]),
                ("to participants", [(r.round, r.bytes_out / 1e6) for r in cost.rows]),
            )
        ):
            x, _, mid, _ = binned(values)
            if alone:
                traffic.plot(
                    x, mid, color=series_style(i).colour, linewidth=1.2, linestyle=(0, (4, 2)) if i else "-",
                    label=way,
                )  # fmt: skip
            else:  # dashes tell the runs apart; the one way mostly lies on the other
                width, alpha = (4.0, 0.3) if i else (1.2, 1.0)
                colour, dashes = cost.style.colour, cost.style.line
                traffic.plot(x, mid, color=colour, linestyle=dashes, linewidth=width, alpha=alpha)
    retried = [r for cost in costs for r in cost.rows if r.retries]
    if retried:
        seconds.scatter(
            [r.round for r in retried], [r.seconds for r in retried], marker="x", s=30, color=ATTACK,
            linewidths=1.6, label="retried round", zorder=3,
        )  # fmt: skip
    seconds.set_title("Seconds of each round, from selection to the new model")
    both = "Megabytes of each round, from participants and, pale and broad, to them"
    traffic.set_title("Megabytes of each round" if alone else both)
    seconds.set_ylabel("seconds")
    traffic.set_ylabel("MB")
    lasted = sorted(r.seconds for cost in costs for r in cost.rows)
    if lasted[0] > 0 and lasted[-1] > STRAGGLING * median(lasted):
        seconds.set_yscale("log")
        _plain_ticks(seconds, (1.0,))
    else:
        seconds.set_ylim(0, 1.08 * lasted[-1] or 1)
    most = max(max(r.bytes_in, r.bytes_out) for cost in costs for r in cost.rows) / 1e6
    traffic.set_ylim(0, 1.15 * most or 1)
    for ax in (seconds, traffic):
        mark_attacks(ax, attacks, named=False)
    round_axis(traffic)
    legend_above(figure, [seconds])
    if alone:  # beside the panel that it is of: the seconds are neither of the two ways
        traffic.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.2,
            handlelength=1.8, columnspacing=1.6,
        )  # fmt: skip
    return figure


def binned(values: Sequence[tuple[int, float]]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Round numbers, smallest, median and largest value of at most ``BINS`` stretches of equal length."""
    size = -(-len(values) // BINS) or 1
    parts = [values[i : i + size] for i in range(0, len(values), size)]
    return (
        [median(number for number, _ in part) for part in parts],
        [min(value for _, value in part) for part in parts],
        [median(value for _, value in part) for part in parts],
        [max(value for _, value in part) for part in parts],
    )
