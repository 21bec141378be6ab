"""Findings of our own, decided as the paper's claims are: what is left when the attacker knows the defence,
and whether sharing less resists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deploy.study.claims import NOTHING, RISE, at_least, at_most, before_any_attack, rises
from deploy.study.federations import BLOCKS
from deploy.study.findings import Criterion, Status, Verdict
from deploy.study.gain import SHARING, gain_of, kept_of
from deploy.study.measurements import Measurements, Pick, train
from deploy.study.plan import Arm
from deploy.study.statistics import Estimate, Ratio

RESISTS = 0.10  # a defence holds: at most so much above before the attack
HALF = 0.5  # of the gain of federating, kept
WORTH = 0.05  # main-task accuracy that federating gains over training alone, where there is something to keep

FULL = str(BLOCKS)  # depth at which all features are shared
_BETTER: tuple[Status, ...] = ("contradicted", "open", "supported")


def best_of(configurations: int) -> str:
    """What is to be said of the best one: it was not known before."""
    return f"best of {configurations} configurations, chosen on these measurements"


def f_adaptive(measured: Measurements, patient: str) -> tuple[Verdict, ...]:
    """From E6, findings of our own; ``patient``: the arm of the patient attacker under the norm bound."""
    bare = Pick("matching-adaptive-mean", "matching")
    bound = Pick("matching-adaptive-norm-bound", "matching")
    rise = (
        f"right after one adaptive attack, attack-train backdoor accuracy is at least {RISE:.2f} above "
        "before it, its interval above 0"
    )
    return (
        Verdict(
            "F1",
            "Our own: an attacker who knows the matching defence breaks it.",
            (rises(measured, bare, 0, rise),),
        ),
        Verdict(
            "F2",
            "Our own: bounding each update's norm to the round's median stops that one-shot attack.",
            (_stops(measured, bare, bound),),
        ),
        Verdict(
            "F3",
            "Our own: a patient attacker gets through the norm bound.",
            (
                rises(
                    measured, Pick(patient, "matching"), 0,
                    f"after the last of its rounds, attack-train backdoor accuracy is at least {RISE:.2f} "
                    "above before the first, its interval above 0",
                ),
            ),
        ),
    )  # fmt: skip


def _stops(measured: Measurements, bare: Pick, bound: Pick) -> Criterion:
    text = (
        f"right after one adaptive attack, attack-train backdoor accuracy is at most {RESISTS:.2f} above "
        f"before it, its interval under {RISE:.2f}, where without the bound it rose by {RISE:.2f} or more, "
        "its interval above 0"
    )
    unbounded = measured.risen(bare, 0, train)
    if unbounded is None:
        return Criterion(text, "open", NOTHING)
    if unbounded.mean < RISE or unbounded.low <= 0:
        found = f"without the bound it rose by {unbounded}: too little, or too uncertain, to be stopped"
        return Criterion(text, "open", found)
    before = before_any_attack(measured, {"": bound})
    return at_most(measured.risen(bound, 0, train), RESISTS, RISE, text, before)


@dataclass(frozen=True)
class Candidate:
    """An arm of E7 that may be the best: ``rises`` of attack-train backdoor accuracy right after the attack
    and in the end."""

    arm: str
    rises: tuple[Estimate, Estimate]
    kept: Ratio

    @property
    def margin(self) -> float:
        """How far it clears the bound that it clears least, all being fractions."""
        return min(self.kept.value - HALF, *(RESISTS - rise.mean for rise in self.rises))


def closest(candidates: Sequence[Candidate]) -> Candidate:
    """Of those that clear all bounds by their means, the one that keeps most; else the one that misses its
    worst one by least."""
    clear = [one for one in candidates if one.margin >= 0]
    if clear:
        return max(clear, key=lambda one: one.kept.value)
    return max(candidates, key=lambda one: one.margin)


def sharing_candidates(measured: Measurements, arms: Iterable[str], rounds: int) -> list[Candidate]:
    """Those of which everything was measured, where there is a gain to keep."""
    found = []
    for arm in arms:
        pick = Pick(arm, "matching")
        after, later = (measured.risen(pick, when, train) for when in (0, rounds))
        kept = kept_of(measured, pick, rounds, SHARING)
        if after is not None and later is not None and kept is not None:
            found.append(Candidate(arm, (after, later), kept))
    return found


def f_sharing(
    measured: Measurements, once: Sequence[Arm], patient: Sequence[Arm], rounds: int
) -> tuple[Verdict, ...]:
    """From E7: which of these arms, attacked ``once`` or ``patient``-ly by somebody who transfers attacks,
    resist and keep half of the gain."""
    worth = at_least(
        gain_of(measured, rounds, SHARING), WORTH, 0.0,
        f"full sharing gains at least {WORTH:.2f} main-task accuracy over training alone, its interval "
        "above 0",
    )  # fmt: skip
    less = [arm.name for arm in once if arm.factors["aggregation"] == "mean" and arm.factors["depth"] != FULL]
    robust = [arm.name for arm in once if arm.factors["aggregation"] != "mean"]
    keeps = "and keeps at least half of what federating gains over training alone"
    return tuple(
        Verdict(name, f"Our own: {claim}", (worth, *_best(measured, arms, rounds)))
        for name, claim, arms in (
            ("F4", f"sharing less resists one attack by somebody who knows it, {keeps}.", less),
            ("F5", f"so does a robust rule of aggregation, whatever is shared, {keeps}.", robust),
            ("F6", f"one of these resists a patient attack, too, {keeps}.", [arm.name for arm in patient]),
        )
    )


def _best(measured: Measurements, arms: Sequence[str], rounds: int) -> tuple[Criterion, ...]:
    """Of the arm that comes closest, so that it is contradicted only where each arm is; of those that come
    as close, of :func:`closest`."""
    candidates = sharing_candidates(measured, arms, rounds)
    if not candidates:
        text = "one of them resists and keeps half of the gain"
        return (Criterion(text, "open", f"{NOTHING}, or there is no gain"),)
    criteria = {one.arm: _resists(measured, one, rounds) for one in candidates}
    ranks = {arm: _BETTER.index(Verdict("", "", each).status) for arm, each in criteria.items()}
    best = closest([one for one in candidates if ranks[one.arm] == max(ranks.values())]).arm
    resist = sum(rank == _BETTER.index("supported") for rank in ranks.values())
    known = f" ({best_of(len(candidates))}; {resist} of them do all of this)"
    names = (f"{best}{known}", *[best] * len(criteria[best]))
    return tuple(
        replace(criterion, text=f"{name}, {criterion.text}")
        for name, criterion in zip(names, criteria[best], strict=False)
    )


def _resists(measured: Measurements, candidate: Candidate, rounds: int) -> tuple[Criterion, ...]:
    before = before_any_attack(measured, {"": Pick(candidate.arm, "matching")})
    moments = ("right after", f"after {rounds} benign rounds")
    return (
        *(
            at_most(
                rise, RESISTS, RISE,
                f"{moment}: attack-train backdoor accuracy is at most {RESISTS:.2f} above before the attack, "
                f"its interval under {RISE:.2f}",
                before,
            )
            for rise, moment in zip(candidate.rises, moments, strict=True)
        ),
        _kept(candidate.kept),
    )  # fmt: skip


def _kept(kept: Ratio) -> Criterion:
    status: Status = "open"
    if kept.low is not None and kept.value >= HALF and kept.low > 0:
        status = "supported"
    elif kept.high is not None and kept.high < HALF:
        status = "contradicted"
    return Criterion(f"at least {HALF:.2f} of the gain is kept, its interval above 0", status, str(kept))
