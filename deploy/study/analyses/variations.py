"""E5: what makes the attack work."""

from deploy.study.analyses.pieces import (
    MOMENTS,
    analysis_of,
    before_after,
    headings,
    paired_or_none,
    rows_of,
    series_of,
)
from deploy.study.findings import Figure, Findings, Panel, Table
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, main, train
from deploy.study.sizes import Size


@analysis_of("E5")
def _e5(measured: Measurements, size: Size) -> Findings:
    arms = measured.arms("E5-")
    base = Pick("E5-base", "linear")
    rows = [
        (
            arm.factors["varied"],
            arm.factors["value"],
            *before_after(measured, Pick(arm.name, "linear"), (0,), METRICS),
            paired_or_none(measured.rise(Pick(arm.name, "linear"), 0, train), measured.rise(base, 0, train)),
            measured.at(Pick(arm.name, "linear"), 0, main),
        )
        for arm in arms
    ]
    header = (
        "varied", "to", *headings((0,), METRICS), "rise − base, attack-train", "main task, right after",
    )  # fmt: skip
    ticks = tuple(
        (float(i), "base" if arm.name == "E5-base" else f"{arm.factors['varied']}\n{arm.factors['value']}")
        for i, arm in enumerate(arms)
    )
    series = tuple(
        series_of(
            f"{name}, {words}",
            enumerate(measured.at(Pick(arm.name, "linear"), when, metric) for arm in arms),
            n,
            dashed=when == BEFORE,
            joined=False,
        )
        for n, (name, metric) in enumerate(METRICS.items())
        for when, words in MOMENTS
    )
    return Findings(
        tables=(Table("variations", "One thing varied at a time, from the base.", header, rows_of(rows)),),
        figures=(
            Figure(
                "variations",
                "Backdoor accuracy right after one attack, one thing varied at a time.",
                "Backdoor accuracy for each variation of the attack.",
                (Panel("", "", series=series, ticks=ticks),),
            ),
        ),
        notes=("A finding of our own: the paper's abstract makes no claim about it.",),
    )
