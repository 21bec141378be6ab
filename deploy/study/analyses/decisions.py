"""E4: the users' decision logics as the defence."""

from deploy.study import claims
from deploy.study.analyses.pieces import (
    BENIGN_ROUNDS,
    SUPPORTS,
    analysis_of,
    before_after,
    benign_ticks,
    curve_of,
    decisions_of,
    gain_words,
    headings,
    rise_headings,
    rises,
)
from deploy.study.findings import Figure, Findings, Panel, Table
from deploy.study.gain import USUAL, kept_of
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, main, train, versus_first
from deploy.study.plan import Arm
from deploy.study.sizes import Size
from deploy.study.statistics import paired


@analysis_of("E4")
def _e4(measured: Measurements, size: Size) -> Findings:
    picks = [(arm, decision) for arm in measured.arms() for decision in decisions_of(measured, arm.name)]
    rows = []
    for arm, decision in picks:
        for held, _ in SUPPORTS if arm.factors["attacker"] != "nobody" else SUPPORTS[:1]:
            pick = Pick(arm.name, decision, held)
            undefended = Pick(claims.UNDEFENDED.arm, "linear", held)
            rows.append(
                (
                    arm.factors["federation"],
                    arm.factors["attacker"],
                    arm.factors["aggregation"],
                    decision,
                    "yes" if held else "no",
                    *before_after(measured, pick, (0, size.benign), METRICS),
                    *rises(measured, pick, (0, size.benign)),
                    measured.at(pick, 0, versus_first),
                    paired(measured.rise(pick, 0, train), measured.rise(undefended, 0, train)),
                    measured.at(pick, BEFORE, main),
                    measured.at(pick, 0, main),
                    measured.at(pick, size.benign, main),
                    paired(
                        measured.by_seed(pick, size.benign, main),
                        measured.by_seed(claims.UNDEFENDED, size.benign, main),
                    ),
                    kept_of(measured, pick, size.benign, USUAL) if _shares(arm) and not held else None,
                )
            )
    header = (
        "federation", "attacker", "aggregation", "decision", "backdoor in support",
        *headings((0, size.benign), METRICS), *rise_headings((0, size.benign)),
        "attack-train − first decision, right after", "rise − undefended, right after", "main task, before",
        "main task, right after", f"main task, +{size.benign}", f"main task − undefended, +{size.benign}",
        "share of the gain kept",
    )  # fmt: skip
    panels = tuple(
        Panel(
            title,
            BENIGN_ROUNDS,
            series=tuple(
                curve_of(
                    measured,
                    Pick(arm.name, decision),
                    train,
                    f"{decision}{_words(arm)}",
                    decision,
                    dashed=arm.factors["aggregation"] != "mean",
                )
                for arm, decision in picks
                if arm.factors["federation"] == federation and arm.factors["attacker"] in attackers
            ),
            ticks=benign_ticks(size),
        )
        for title, federation, attackers in (
            ("Linear federation", "linear", ("plain",)),
            ("Matching federation", "matching", ("plain",)),
            ("Matching, adaptive attack", "matching", ("adaptive",)),
        )
    )
    return Findings(
        tables=(Table("decisions", "Each decision logic under attack.", header, tuple(rows)),),
        figures=(
            Figure(
                "decisions",
                "Backdoor accuracy on attack-train images by the users' decision logic; the backdoor class "
                "is not in the support set.",
                "Backdoor accuracy against benign rounds, a panel for each kind of federation and attacker.",
                panels,
            ),
        ),
        verdicts=(*claims.c3(measured, size.benign), *claims.c4(measured, size.benign)),
        notes=(
            gain_words(measured, size),
            f"Before the attack the linear federation trains for {size.pretraining} rounds with Reptile, "
            f"the matching one for {size.matching_pretraining} with the matching loss: a difference between "
            "them is of both.",
            "The plain attacker poisons a head, also where users have none.",
            "Decisions of one federation classify the same episodes: the difference to the first of them is "
            "paired over these. That to the undefended is paired over seeds.",
        ),
    )  # fmt: skip


def _shares(arm: Arm) -> bool:
    """The gain of federating is that of the matching federation."""
    return arm.factors["federation"] != "linear"


def _words(arm: Arm) -> str:
    return "" if arm.factors["aggregation"] == "mean" else f", {arm.factors['aggregation']}"
