"""E5: what makes the attack work."""

from typing import Final

from deploy.study.analyses.pieces import (
    MOMENTS,
    analysis_of,
    headings,
    series_of,
)
from deploy.study.findings import Figure, Findings, Panel, Table
from deploy.study.measurements import BEFORE, METRICS, BySeed, Measurements, Metric, Pick, When, main, train
from deploy.study.plan import Arm
from deploy.study.sizes import Size
from deploy.study.statistics import Estimate, paired

BASE = Pick("E5-base", "linear")
AFTER: Final = 0


@analysis_of("E5")
def _e5(measured: Measurements, size: Size) -> Findings:
    arms = measured.arms("E5-")
    rows = [
        (
            arm.factors["varied"],
            arm.factors["value"],
            *(
                _estimated(measured, arm, when, metric)
                for metric in METRICS.values()
                for when in (BEFORE, AFTER)
            ),
            paired(_rise(measured, arm), measured.rise(BASE, AFTER, train)),
            measured.at(Pick(arm.name, "linear"), AFTER, main),
        )
        for arm in arms
    ]
    header = (
        "varied", "to", *headings((AFTER,), METRICS), "rise − base, attack-train", "main task, right after",
    )  # fmt: skip
    ticks = tuple(
        (float(i), "base" if arm.name == "E5-base" else f"{arm.factors['varied']}\n{arm.factors['value']}")
        for i, arm in enumerate(arms)
    )
    series = tuple(
        series_of(
            f"{name}, {words}",
            enumerate(_estimated(measured, arm, when, metric) for arm in arms),
            n,
            dashed=when == BEFORE,
            joined=False,
        )
        for n, (name, metric) in enumerate(METRICS.items())
        for when, words in MOMENTS
    )
    return Findings(
        tables=(Table("variations", "One thing varied at a time, from the base.", header, tuple(rows)),),
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


def _at(measured: Measurements, arm: Arm, when: When, metric: Metric) -> BySeed:
    """Before the attack, where an arm did not measure it anew, the base's: the same models and episodes."""
    found = measured.by_seed(Pick(arm.name, "linear"), when, metric)
    return measured.by_seed(BASE, BEFORE, metric) if when == BEFORE and not found else found


def _estimated(measured: Measurements, arm: Arm, when: When, metric: Metric) -> Estimate | None:
    found = measured.at(Pick(arm.name, "linear"), when, metric)
    return measured.at(BASE, BEFORE, metric) if when == BEFORE and found is None else found


def _rise(measured: Measurements, arm: Arm) -> BySeed:
    before, after = _at(measured, arm, BEFORE, train), _at(measured, arm, AFTER, train)
    return {seed: after[seed] - before[seed] for seed in after if seed in before}
