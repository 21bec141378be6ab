"""E7: sharing depth."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from deploy.study import own_claims
from deploy.study.analyses.pieces import (
    RISE_LABEL,
    SHARES,
    analysis_of,
    before_after,
    headings,
    rise_headings,
    rises,
    series_of,
)
from deploy.study.findings import Figure, Findings, Panel, Point, Series, Table, Trail
from deploy.study.gain import SHARING, kept_of
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, main, train
from deploy.study.plan import Arm
from deploy.study.sizes import Size
from deploy.study.statistics import Ratio

T = TypeVar("T")


@analysis_of("E7")
def _e7(measured: Measurements, size: Size) -> Findings:
    end = size.many_benign
    once, patient = (
        [
            arm
            for arm in measured.arms()
            if (arm.factors["attacker"], arm.factors["patience"]) == ("transfer", patience)
        ]
        for patience in ("once", "patient")
    )
    depths = sorted((*size.depths, 0))
    trails, unbounded = _trails(measured, end, depths)
    ticks = tuple((float(depth), str(depth)) for depth in depths)
    return Findings(
        tables=(_table(measured, end),),
        figures=(
            Figure(
                "gain-kept",
                "How far the attacker who transfers raises backdoor accuracy, right after it, against "
                "the share of the gain of federating that is kept (full sharing 1, alone 0): to the lower "
                "right is better. Numbers are shared blocks; lines across are 95 % intervals of the share."
                + left_out(unbounded),
                "Each configuration as a point of the rise of backdoor accuracy and share of the gain kept.",
                (
                    Panel(
                        "",
                        "share of the gain kept",
                        trails=trails,
                        y_label=RISE_LABEL,
                        chance=False,
                    ),
                ),
            ),
            Figure(
                "by-depth",
                "How far an attack raises backdoor accuracy on attack-train images, by the number of shared "
                "blocks.",
                "The rise of backdoor accuracy against the number of shared blocks.",
                tuple(
                    Panel(
                        title,
                        "shared blocks",
                        y_label="rise of backdoor accuracy",
                        series=tuple(_by_depth(measured, when, depths)),
                        ticks=ticks,
                        chance=False,
                    )
                    for title, when in (("Right after the attack", 0), (f"After {end} benign rounds", end))
                ),
            ),
        ),
        verdicts=own_claims.f_sharing(measured, once, patient, end),
        notes=(
            "A finding of our own. Each benign participant measures with its own private part; the mean "
            "over them is one value a seed.",
            f"The gain is full sharing's over training alone, nobody attacking, {end} rounds after the "
            "moment of the attack. An arm's share is counted from what the same participants measured in "
            f"these controls: those who attack in it are left out of both. {SHARES}",
            "Patient attackers are a quarter of the participants, each with fewer steps and fewer imagined "
            f"users in a round, and their arms have trained for {size.patient - 1} rounds more when a share "
            "is counted: more than patience differs.",
        ),
    )


def _table(measured: Measurements, end: int) -> Table:
    rows = []
    for arm in measured.arms():
        pick = Pick(arm.name, "matching")
        rows.append(
            (
                arm.factors["depth"],
                arm.factors["attacker"],
                "–" if arm.factors["attacker"] == "nobody" else arm.factors["patience"],
                arm.factors["aggregation"],
                *before_after(measured, pick, (0, end), METRICS),
                *rises(measured, pick, (0, end)),
                measured.at(pick, BEFORE, main),
                measured.at(pick, end, main),
                kept_of(measured, pick, end, SHARING),
            )
        )
    header = (
        "shared blocks", "attacker", "attacks", "aggregation", *headings((0, end), METRICS),
        *rise_headings((0, end)),
        "main task, before", f"main task, +{end}", "share of the gain kept",
    )  # fmt: skip
    caption = "Sharing depth; 0 shared blocks is each participant alone, the control."
    return Table("sharing", caption, header, tuple(rows))


def _trails(measured: Measurements, end: int, depths: Sequence[int]) -> tuple[tuple[Trail, ...], int]:
    """Lines over depth for each aggregation rule, from alone on, under the attacker who transfers; and how
    many configurations are left out of it, since their share of the gain has no lower bound."""
    trails: list[Trail] = []
    unbounded: set[str] = set()
    for n, (kind, arms) in enumerate(_kinds(measured).items()):
        if kind.startswith("naive"):
            continue
        points: list[tuple[int, Point]] = []
        for arm in arms:
            pick = Pick(arm.name, "matching")
            kept, (backdoor,) = kept_of(measured, pick, end, SHARING), rises(measured, pick, (0,))
            if kept is None or backdoor is None:
                continue
            if is_drawn(kept):
                points.append((int(arm.factors["depth"]), Point(kept, backdoor, arm.factors["depth"])))
            else:
                unbounded.add(arm.name)
        for stretch in neighbours(points, depths):
            trails.append(Trail(kind, tuple(point for _, point in stretch), n))
    return tuple(trails), len(unbounded)


def left_out(configurations: int) -> str:
    """A sentence for the caption."""
    return (
        f" Left out: {configurations} of the configurations, whose share has no lower bound (the gain's own "
        "interval holds zero)."
        if configurations
        else ""
    )


def is_drawn(kept: Ratio) -> bool:
    """A share of the gain that could be anything is no place in a figure; one seed has no interval at all."""
    return kept.seeds == 1 or kept.low is not None


def _by_depth(measured: Measurements, when: int, depths: Sequence[int]) -> Iterator[Series]:
    for n, (kind, arms) in enumerate(_kinds(measured).items()):
        values = [
            (int(arm.factors["depth"]), measured.risen(Pick(arm.name, "matching"), when, train))
            for arm in arms
        ]
        for stretch in neighbours([(depth, value) for depth, value in values if value], depths):
            yield series_of(kind, stretch, n)


def neighbours(there: Iterable[tuple[int, T]], depths: Sequence[int]) -> list[list[tuple[int, T]]]:
    """What is there of each depth, in stretches without a gap, so that no line passes over a depth of which
    nothing is known. The longest first: a legend shows what it looks like."""
    stretches: list[list[tuple[int, T]]] = []
    for depth, one in there:
        place = depths.index(depth)
        if stretches and depths[place - 1] == stretches[-1][-1][0]:
            stretches[-1].append((depth, one))
        else:
            stretches.append([(depth, one)])
    return sorted(stretches, key=len, reverse=True)


def _kinds(measured: Measurements) -> dict[str, list[Arm]]:
    """Arms by attacker and aggregation, by depth; alone, where nothing can be poisoned, begins each."""
    alone = [arm for arm in measured.arms() if arm.name == SHARING.alone]
    kinds: dict[str, list[Arm]] = {}
    for arm in sorted(measured.arms(), key=lambda one: int(one.factors["depth"])):
        if arm.factors["attacker"] != "nobody":
            patient = ", patient" if arm.factors["patience"] == "patient" else ""
            kind = f"{arm.factors['attacker']}, {arm.factors['aggregation']}{patient}"
            kinds.setdefault(kind, [*alone]).append(arm)
    return kinds
