"""What the study was to reach, set before it was measured, and whether it did."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.study.claims import UNDEFENDED, main_difference
from deploy.study.gain import SHARING, gain_of
from deploy.study.measurements import (
    BEFORE,
    Measurements,
    Metric,
    Pick,
    When,
    train,
    validation,
)
from deploy.study.own_claims import HALF, RESISTS, WORTH, best_of, closest, sharing_candidates
from deploy.study.statistics import Estimate, Ratio
from deploy.study.study import Result, Study

ABOVE_BEFORE = 0.05  # the best defended: at most so much above before the attack
LOSS = 0.01  # of main-task accuracy, at most


@dataclass(frozen=True)
class Target:
    """``met``: by the mean; None where it was not measured. ``shown``: the whole interval says the same; None
    where there is no interval. ``seeds``: how many the mean is of."""

    text: str
    bound: str
    found: str
    met: bool | None
    shown: bool | None = None
    seeds: int = 0

    @property
    def words(self) -> str:
        """Whether it was reached, and how sure that is."""
        if self.met is None:
            return "not measured"
        found = f"{'met' if self.met else 'missed'} {'in one seed' if self.seeds == 1 else 'by the mean'}"
        if self.shown is None:
            return f"{found}; there is no interval"
        return f"{found}; the interval {'shows it' if self.shown else 'does not show it'}"


def targets(study: Study, results: Sequence[Result]) -> list[Target]:
    """Of the experiments that are there, by means over seeds."""
    measured = {result.experiment: result.measured for result in results}
    end = study.size.benign
    none = Measurements(())
    e1, e4, e6, e7 = (measured.get(name, none) for name in ("E1", "E4", "E6", "E7"))
    return [
        _least("undefended, attack-train, right after", e1.at(Pick("E1", "linear"), 0, train), 0.85),
        _least(f"undefended, attack-train, +{end}", e1.at(Pick("E1", "linear"), end, train), 0.70),
        _least(
            "undefended, attack-validation, right after", e1.at(Pick("E1", "linear"), 0, validation), 0.60
        ),
        *_defended(e4, "plain", end, ABOVE_BEFORE),
        *_defended(e6, "adaptive", end, RESISTS),
        *_sharing(e7, study.size.many_benign),
    ]  # fmt: skip


def _least(text: str, found: Estimate | None, bound: float) -> Target:
    if found is None:
        return Target(text, f"at least {bound:.2f}", "–", None)
    met = found.mean >= bound
    shown = found.low >= bound if met else found.high < bound
    return _target(text, f"at least {bound:.2f}", found, met, shown)


def _most(text: str, found: Estimate | None, bound: float) -> Target:
    if found is None:
        return Target(text, f"at most {bound:.2f}", "–", None)
    met = found.mean <= bound
    shown = found.high <= bound if met else found.low > bound
    return _target(text, f"at most {bound:.2f}", found, met, shown)


def _target(text: str, bound: str, found: Estimate, met: bool, shown: bool) -> Target:
    seeds = f" ({found.by_seed})" if found.is_wide and found.by_seed else ""
    return Target(text, bound, f"{found}{seeds}", met, None if found.half is None else shown, found.seeds)


def _defended(measured: Measurements, attacker: str, end: int, bound: float) -> list[Target]:
    """Of the best matching federation: the one whose backdoor changes least, over moments and images, of
    those that were measured at each. A fall is no merit: it is the damage that an attack does."""
    cases: tuple[tuple[str, When, Metric], ...] = (
        ("attack-train, right after", 0, train),
        (f"attack-train, +{end}", end, train),
        ("attack-validation, right after", 0, validation),
    )
    candidates = [
        Pick(arm.name, decision)
        for arm in measured.arms()
        if arm.factors.get("federation") == "matching"
        and arm.factors.get("attacker") == attacker
        and arm.factors.get("patience", "once") == "once"
        for decision in dict.fromkeys(row.decision for row in measured.rows if row.arm.name == arm.name)
    ]
    rises: dict[Pick, float] = {}
    for pick in candidates:
        found = [measured.risen(pick, when, metric) for _, when, metric in cases]
        there = [abs(rise.mean) for rise in found if rise is not None]
        if len(there) == len(cases):
            rises[pick] = max(there)
    if not rises:
        return []
    pick = min(rises, key=lambda one: rises[one])
    name = (
        f"best defended against the {attacker} attacker ({pick.arm}, {pick.decision}; {best_of(len(rises))})"
    )
    reached = [
        _most(f"{name}: {text}, above before", measured.risen(pick, when, metric), bound)
        for text, when, metric in cases
    ]
    if attacker == "plain":
        moments: tuple[tuple[str, When], ...] = (("before the attack", BEFORE), (f"+{end}", end))
        for words, when in moments:
            difference = main_difference(measured, pick, when, when)
            text = f"{name}: main task minus undefended ({UNDEFENDED.decision}), {words}"
            reached.append(_least(text, difference, -LOSS))
    return reached


def _sharing(measured: Measurements, end: int) -> list[Target]:
    """Of E7: somebody who transfers attacks once, and no bound on norms is in the way."""
    if not measured.rows:
        return []
    arms = [
        arm.name
        for arm in measured.arms()
        if (arm.factors["attacker"], arm.factors["patience"]) == ("transfer", "once")
        and arm.factors["aggregation"] != "norm-bound"
    ]
    worth = _least(
        f"many participants: main task, full sharing minus alone, +{end}",
        gain_of(measured, end, SHARING),
        WORTH,
    )
    candidates = sharing_candidates(measured, arms, end)
    name = "many participants, against the attacker who transfers, without a norm bound"
    if not candidates:
        return [worth, Target(f"{name}: resists and keeps half of the gain", "", "–", None)]
    best = closest(candidates)
    name += f" ({best.arm}; {best_of(len(candidates))})"
    return [
        worth,
        *(
            _most(f"{name}: attack-train, {words}, above before", rise, RESISTS)
            for words, rise in zip(("right after", f"+{end}"), best.rises, strict=True)
        ),
        Target(
            f"{name}: share of the gain kept",
            f"at least {HALF:.2f}",
            str(best.kept),
            best.kept.value >= HALF,
            _shown(best.kept),
            best.kept.seeds,
        ),
    ]


def _shown(kept: Ratio) -> bool | None:
    if kept.low is None or kept.high is None:
        return None
    return kept.low >= HALF if kept.value >= HALF else kept.high < HALF
