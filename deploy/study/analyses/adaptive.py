"""E6: the attacker who knows the defence."""

from collections.abc import Iterator

from deploy.study import own_claims
from deploy.study.analyses.pieces import (
    BENIGN_ROUNDS,
    LIFESPANS,
    RISE_LABEL,
    analysis_of,
    before_after,
    benign_ticks,
    curve_of,
    gain_words,
    headings,
    lifespan_of,
    rise_headings,
    rises,
)
from deploy.study.findings import Figure, Findings, Panel, Point, Series, Table, Trail
from deploy.study.gain import USUAL, kept_of
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, main, train
from deploy.study.plan import Arm
from deploy.study.sizes import Size

PATIENT = "E6-adaptive-norm-bound-patient"


@analysis_of("E6")
def _e6(measured: Measurements, size: Size) -> Findings:
    return Findings(
        tables=(_table(measured, size),),
        figures=(
            Figure(
                "adaptive",
                "Backdoor accuracy on attack-train images after one adaptive attack, and a patient one.",
                "Backdoor accuracy against benign rounds for each aggregation rule and attacker.",
                tuple(
                    Panel(
                        title,
                        BENIGN_ROUNDS,
                        series=tuple(_curves(measured, patience)),
                        ticks=benign_ticks(size),
                    )
                    for title, patience in (
                        ("One attack", "once"),
                        (f"{size.patient} attack rounds", "patient"),
                    )
                ),
            ),
            Figure(
                "trade-off",
                "How far the attack raises backdoor accuracy, right after it, against main-task accuracy at "
                "the end: to the lower right is better.",
                "Each configuration as a point of the rise of backdoor accuracy and main-task accuracy.",
                (
                    Panel(
                        "",
                        f"main-task accuracy, +{size.benign}",
                        trails=tuple(_trails(measured, size)),
                        y_label=RISE_LABEL,
                        chance=False,
                    ),
                ),
            ),
        ),
        verdicts=own_claims.f_adaptive(measured, PATIENT),
        notes=(
            "Findings of our own: the paper's abstract does not speak of an attacker who knows the defence.",
            gain_words(measured, size),
            f"A patient attacker's arm has trained for {size.patient - 1} rounds more by then.",
            "The same model before the attack is measured by other episodes in each arm.",
        ),
    )


def _table(measured: Measurements, size: Size) -> Table:
    rows = []
    for arm in measured.arms():
        pick = _pick(arm)
        rows.append(
            (
                arm.factors["federation"],
                arm.factors["attacker"],
                _patience(arm),
                arm.factors["aggregation"],
                *before_after(measured, pick, (0, size.benign), METRICS),
                *rises(measured, pick, (0, size.benign)),
                None if arm.factors["attacker"] == "nobody" else lifespan_of(measured, pick, train),
                measured.at(pick, BEFORE, main),
                measured.at(pick, 0, main),
                measured.at(pick, size.benign, main),
                None
                if arm.factors["federation"] == "linear"
                else kept_of(measured, pick, size.benign, USUAL),
            )
        )
    header = (
        "federation", "attacker", "attacks", "aggregation", *headings((0, size.benign), METRICS),
        *rise_headings((0, size.benign)), "median lifespan", "main task, before",
        "main task, right after", f"main task, +{size.benign}", "share of the gain kept",
    )  # fmt: skip
    caption = (
        "The adaptive attacker against the matching federation; the controls are that federation unattacked, "
        f"and each participant alone. {LIFESPANS}"
    )
    return Table("adaptive", caption, header, tuple(rows))


def _curves(measured: Measurements, patience: str) -> Iterator[Series]:
    looks = _looks(measured)
    for arm in measured.arms():
        if arm.factors.get("patience", "once") == patience and arm.factors["attacker"] != "nobody":
            yield curve_of(measured, _pick(arm), train, _words(arm), looks[_words(arm)])


def _trails(measured: Measurements, size: Size) -> Iterator[Trail]:
    looks = _looks(measured)
    for words, style in looks.items():
        points = [
            Point(x, y, "patient" if _patience(arm) == "patient" else "")
            for arm in measured.arms()
            if _words(arm) == words
            and (x := measured.at(_pick(arm), size.benign, main))
            and (y := measured.risen(_pick(arm), 0, train))
        ]
        if points:
            yield Trail(words, tuple(points), style)


def _looks(measured: Measurements) -> dict[str, int]:
    """The same for an attacker and rule, once or patient."""
    return {words: n for n, words in enumerate(dict.fromkeys(_words(arm) for arm in measured.arms()))}


def _pick(arm: Arm) -> Pick:
    return Pick(arm.name, "linear" if arm.factors["federation"] == "linear" else "matching")


def _patience(arm: Arm) -> str:
    return "–" if arm.factors["attacker"] == "nobody" else arm.factors.get("patience", "once")


def _words(arm: Arm) -> str:
    if arm.factors["attacker"] == "nobody":
        return f"{arm.factors['federation']}, nobody attacks"
    if arm.factors["federation"] == "linear":
        return "linear, undefended"
    return f"{arm.factors['attacker']}, {arm.factors['aggregation']}"
