"""E7: sharing depth."""

from collections.abc import Iterable

from deploy.study import claims
from deploy.study.analyses.pieces import (
    analysis_of,
    before_after,
    headings,
    rows_of,
    series_of,
)
from deploy.study.findings import Figure, Findings, Panel, Point, Series, Table
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, When, main, train
from deploy.study.plan import Arm
from deploy.study.sizes import Size
from deploy.study.statistics import Estimate, gain_kept

FULL, ALONE = "E7-depth-4-nobody", "E7-depth-0-nobody"


@analysis_of("E7")
def _e7(measured: Measurements, size: Size) -> Findings:
    end = size.many_benign
    gains = {arm.name: measured.by_seed(Pick(arm.name, "matching"), end, main) for arm in measured.arms()}
    rows = []
    points = []
    for arm in measured.arms():
        pick = Pick(arm.name, "matching")
        kept = gain_kept(gains[arm.name], gains.get(ALONE, {}), gains.get(FULL, {}))
        rows.append(
            (
                arm.factors["depth"],
                arm.factors["attacker"],
                "–" if arm.factors["attacker"] == "nobody" else arm.factors["patience"],
                arm.factors["aggregation"],
                *before_after(measured, pick, (0, end), METRICS),
                measured.at(pick, BEFORE, main),
                measured.at(pick, end, main),
                kept,
            )
        )
        backdoor = measured.at(pick, 0, train)
        if kept and backdoor and arm.factors["attacker"] != "naive":
            half = None if kept.low is None or kept.high is None else (kept.high - kept.low) / 2
            points.append(
                Point(_e7_words(arm), Estimate(kept.value, half, kept.seeds), backdoor, _e7_style(arm))
            )
    header = (
        "shared blocks", "attacker", "attacks", "aggregation", *headings((0, end), METRICS),
        "main task, before", f"main task, +{end}", "share of the gain kept",
    )  # fmt: skip
    attacked = tuple(
        arm.name
        for arm in measured.arms()
        if arm.factors["attacker"] == "transfer" and arm.factors["patience"] == "once"
    )
    depths = tuple((float(d), str(d)) for d in sorted((*size.depths, 0)))
    return Findings(
        tables=(
            Table(
                "sharing", "Sharing depth; 0 is each participant alone, the control.", header, rows_of(rows)
            ),
        ),
        figures=(
            Figure(
                "gain-kept",
                "Backdoor accuracy right after the attack against the share of the gain of federating that "
                "is kept (full sharing 1, alone 0): to the lower right is better.",
                "Each configuration as a point of backdoor accuracy and share of the gain kept.",
                (
                    Panel(
                        "", "share of the gain kept", points=tuple(points),
                        y_label="backdoor accuracy, right after",
                    ),
                ),
            ),
            Figure(
                "by-depth",
                "Backdoor accuracy on attack-train images by the number of shared blocks.",
                "Backdoor accuracy against the number of shared blocks.",
                tuple(
                    Panel(
                        title, "shared blocks", series=tuple(_by_depth(measured, when)), ticks=depths
                    )
                    for title, when in (("Right after the attack", 0), (f"After {end} benign rounds", end))
                ),
            ),
        ),
        verdicts=(claims.f_sharing(measured, attacked, FULL, ALONE, end),),
        notes=(
            "A finding of our own. Each benign participant measures with its own private part; the mean "
            "over them is one value a seed.",
        ),
    )  # fmt: skip


def _e7_words(arm: Arm) -> str:
    if arm.factors["attacker"] == "nobody":
        return "alone" if arm.factors["depth"] == "0" else "full sharing, nobody attacks"
    patient = ", patient" if arm.factors["patience"] == "patient" else ""
    return f"{arm.factors['depth']} blocks, {arm.factors['aggregation']}{patient}"


def _e7_style(arm: Arm) -> int:
    kinds = ("nobody", "mean", "norm-bound", "coordinate-median", "patient")
    if arm.factors["attacker"] == "nobody":
        return 0
    return kinds.index("patient" if arm.factors["patience"] == "patient" else arm.factors["aggregation"])


def _by_depth(measured: Measurements, when: When) -> Iterable[Series]:
    """A line for each attacker and aggregation; alone, where nothing can be poisoned, is on all of them."""
    lines: dict[str, list[Arm]] = {}
    for arm in measured.arms():
        if arm.factors["attacker"] != "nobody":
            patient = ", patient" if arm.factors["patience"] == "patient" else ""
            name = f"{arm.factors['attacker']}, {arm.factors['aggregation']}{patient}"
            lines.setdefault(name, []).append(arm)
    for n, (name, arms) in enumerate(lines.items()):
        values = [(0.0, measured.at(Pick(ALONE, "matching"), when, train))]
        for arm in sorted(arms, key=lambda one: int(one.factors["depth"])):
            values.append((float(arm.factors["depth"]), measured.at(Pick(arm.name, "matching"), when, train)))
        yield series_of(name, values, n)
