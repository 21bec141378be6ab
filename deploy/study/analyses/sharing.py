"""E7: sharing depth."""

from collections.abc import Iterator

from deploy.study import claims
from deploy.study.analyses.pieces import analysis_of, before_after, headings, rows_of, series_of
from deploy.study.findings import Figure, Findings, Panel, Point, Series, Table, Trail
from deploy.study.measurements import BEFORE, METRICS, BySeed, Measurements, Pick, When, main, train
from deploy.study.plan import Arm
from deploy.study.sizes import Size
from deploy.study.statistics import Estimate, Ratio, gain_kept

FULL, ALONE = "E7-depth-4-nobody", "E7-depth-0-nobody"


@analysis_of("E7")
def _e7(measured: Measurements, size: Size) -> Findings:
    end = size.many_benign
    attacked = tuple(
        arm.name
        for arm in measured.arms()
        if arm.factors["attacker"] == "transfer" and arm.factors["patience"] == "once"
    )
    depths = tuple((float(d), str(d)) for d in sorted((*size.depths, 0)))
    return Findings(
        tables=(_table(measured, end),),
        figures=(
            Figure(
                "gain-kept",
                "Backdoor accuracy right after the attack against the share of the gain of federating that "
                "is kept (full sharing 1, alone 0): to the lower right is better. Numbers are shared blocks.",
                "Each configuration as a point of backdoor accuracy and share of the gain kept.",
                (
                    Panel(
                        "",
                        "share of the gain kept",
                        trails=tuple(_trails(measured, end)),
                        y_label="backdoor accuracy, right after",
                    ),
                ),
            ),
            Figure(
                "by-depth",
                "Backdoor accuracy on attack-train images by the number of shared blocks.",
                "Backdoor accuracy against the number of shared blocks.",
                tuple(
                    Panel(title, "shared blocks", series=tuple(_by_depth(measured, when)), ticks=depths)
                    for title, when in (("Right after the attack", 0), (f"After {end} benign rounds", end))
                ),
            ),
        ),
        verdicts=(claims.f_sharing(measured, attacked, FULL, ALONE, end),),
        notes=(
            "A finding of our own. Each benign participant measures with its own private part; the mean "
            "over them is one value a seed.",
            f"The gain is full sharing's over training alone, nobody attacking, {end} rounds after the "
            "moment of the attack.",
        ),
    )


def _gains(measured: Measurements, end: int) -> dict[str, BySeed]:
    return {arm.name: measured.by_seed(Pick(arm.name, "matching"), end, main) for arm in measured.arms()}


def _kept(arm: Arm, gains: dict[str, BySeed]) -> Ratio | None:
    return gain_kept(gains[arm.name], gains.get(ALONE, {}), gains.get(FULL, {}))


def _table(measured: Measurements, end: int) -> Table:
    gains = _gains(measured, end)
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
                measured.at(pick, BEFORE, main),
                measured.at(pick, end, main),
                _kept(arm, gains),
            )
        )
    header = (
        "shared blocks", "attacker", "attacks", "aggregation", *headings((0, end), METRICS),
        "main task, before", f"main task, +{end}", "share of the gain kept",
    )  # fmt: skip
    caption = "Sharing depth; 0 shared blocks is each participant alone, the control."
    return Table("sharing", caption, header, rows_of(rows))


def _trails(measured: Measurements, end: int) -> Iterator[Trail]:
    """A line over depth for each aggregation rule, from alone on, under the attacker who transfers."""
    gains = _gains(measured, end)
    for n, (kind, arms) in enumerate(_kinds(measured).items()):
        if not kind.startswith("naive"):
            points = tuple(
                point for arm in arms if (point := _point(measured, arm, _kept(arm, gains))) is not None
            )
            yield Trail(kind, points, n)


def _point(measured: Measurements, arm: Arm, kept: Ratio | None) -> Point | None:
    backdoor = measured.at(Pick(arm.name, "matching"), 0, train)
    if kept is None or backdoor is None:
        return None
    half = None if kept.low is None or kept.high is None else (kept.high - kept.low) / 2
    return Point(Estimate(kept.value, half, kept.seeds), backdoor, arm.factors["depth"])


def _by_depth(measured: Measurements, when: When) -> Iterator[Series]:
    for n, (kind, arms) in enumerate(_kinds(measured).items()):
        yield series_of(
            kind,
            [(float(a.factors["depth"]), measured.at(Pick(a.name, "matching"), when, train)) for a in arms],
            n,
        )


def _kinds(measured: Measurements) -> dict[str, list[Arm]]:
    """Arms by attacker and aggregation, by depth; alone, where nothing can be poisoned, begins each."""
    alone = [arm for arm in measured.arms() if arm.name == ALONE]
    kinds: dict[str, list[Arm]] = {}
    for arm in sorted(measured.arms(), key=lambda one: int(one.factors["depth"])):
        if arm.factors["attacker"] != "nobody":
            patient = ", patient" if arm.factors["patience"] == "patient" else ""
            kind = f"{arm.factors['attacker']}, {arm.factors['aggregation']}{patient}"
            kinds.setdefault(kind, [*alone]).append(arm)
    return kinds
