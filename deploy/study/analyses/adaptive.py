"""E6: the attacker who knows the defence."""

from deploy.study import claims
from deploy.study.analyses.pieces import (
    BENIGN_ROUNDS,
    analysis_of,
    before_after,
    curve_of,
    headings,
    lifespan_of,
    points_of,
    rows_of,
)
from deploy.study.findings import Figure, Findings, Panel, Table
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, main, train
from deploy.study.plan import Arm
from deploy.study.sizes import Size


@analysis_of("E6")
def _e6(measured: Measurements, size: Size) -> Findings:
    arms = measured.arms()
    rows = []
    for arm in arms:
        pick = _e6_pick(arm)
        rows.append(
            (
                arm.factors["federation"],
                arm.factors["attacker"],
                arm.factors.get("patience", "once"),
                arm.factors["aggregation"],
                *before_after(measured, pick, (0, size.benign), METRICS),
                lifespan_of(measured, pick, train),
                measured.at(pick, BEFORE, main),
                measured.at(pick, 0, main),
                measured.at(pick, size.benign, main),
            )
        )
    header = (
        "federation", "attacker", "attacks", "aggregation", *headings((0, size.benign), METRICS),
        "median lifespan", "main task, before", "main task, right after", f"main task, +{size.benign}",
    )  # fmt: skip
    panels = tuple(
        Panel(
            title,
            BENIGN_ROUNDS,
            series=tuple(
                curve_of(measured, _e6_pick(arm), train, _e6_words(arm), n)
                for n, arm in enumerate(arms)
                if arm.factors.get("patience", "once") == patience
            ),
        )
        for title, patience in (("One attack", "once"), (f"{size.patient} attack rounds", "patient"))
    )
    trade_off = Panel(
        "",
        "main-task accuracy",
        points=tuple(
            points_of(
                (
                    f"{_e6_words(arm)}, {arm.factors.get('patience', 'once')}",
                    measured.at(_e6_pick(arm), size.benign, main),
                    measured.at(_e6_pick(arm), 0, train),
                )
                for arm in arms
            )
        ),
        y_label="backdoor accuracy, right after",
    )
    patient = "E6-adaptive-norm-bound-patient"
    return Findings(
        tables=(
            Table(
                "adaptive", "The adaptive attacker against the matching federation.", header, rows_of(rows)
            ),
        ),
        figures=(
            Figure(
                "adaptive",
                "Backdoor accuracy on attack-train images after one adaptive attack, and a patient one.",
                "Backdoor accuracy against benign rounds for each aggregation rule and attacker.",
                panels,
            ),
            Figure(
                "trade-off",
                "Backdoor accuracy right after the attack against main-task accuracy at the end: to the "
                "lower right is better.",
                "Each configuration as a point of backdoor accuracy and main-task accuracy.",
                (trade_off,),
            ),
        ),
        verdicts=claims.f_adaptive(measured, patient),
        notes=(
            "Findings of our own: the paper's abstract does not speak of an attacker who knows the defence.",
        ),
    )  # fmt: skip


def _e6_pick(arm: Arm) -> Pick:
    return Pick(arm.name, "linear" if arm.factors["federation"] == "linear" else "matching")


def _e6_words(arm: Arm) -> str:
    if arm.factors["federation"] == "linear":
        return "linear, undefended"
    return f"{arm.factors['attacker']}, {arm.factors['aggregation']}"
