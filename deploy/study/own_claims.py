"""Findings of our own, decided as the paper's claims are: what is left when the attacker knows the defence,
and whether sharing less resists."""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.study.claims import NOTHING, RISE, at_least, at_most, before_any_attack, rises
from deploy.study.findings import Criterion, Status, Verdict
from deploy.study.gain import SHARING, gain_of, kept_of
from deploy.study.measurements import Measurements, Pick, train
from deploy.study.statistics import Estimate, Ratio, over_seeds

RESISTS = 0.10  # a defence holds: at most so much above before the attack
HALF = 0.5  # of the gain of federating, kept
WORTH = 0.05  # main-task accuracy that federating gains over training alone, where there is something to keep

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
        f"before it, its interval under {RISE:.2f}, where without the bound it rose by {RISE:.2f} or more"
    )
    unbounded = over_seeds(measured.rise(bare, 0, train))
    if unbounded is None:
        return Criterion(text, "open", NOTHING)
    if unbounded.mean < RISE:
        found = f"without the bound it rose by {unbounded} only, under {RISE:.2f}: there is nothing to stop"
        return Criterion(text, "open", found)
    before = before_any_attack(measured, {"": bound})
    return at_most(over_seeds(measured.rise(bound, 0, train)), RESISTS, RISE, text, before)


@dataclass(frozen=True)
class Candidate:
    """An arm of E7 that may be the best: ``rises`` of attack-train backdoor accuracy right after the attack
    and in the end."""

    arm: str
    rises: tuple[Estimate, Estimate]
    kept: Ratio

    @property
    def margin(self) -> float:
        """How far it clears the bound that it clears least."""
        return min(self.kept.value - HALF, *(RESISTS - rise.mean for rise in self.rises))


def sharing_candidates(measured: Measurements, arms: Iterable[str], rounds: int) -> list[Candidate]:
    """Those of which everything was measured, where there is a gain to keep."""
    found = []
    for arm in arms:
        pick = Pick(arm, "matching")
        after, later = (over_seeds(measured.rise(pick, when, train)) for when in (0, rounds))
        kept = kept_of(measured, pick, rounds, SHARING)
        if after is not None and later is not None and kept is not None:
            found.append(Candidate(arm, (after, later), kept))
    return found


def f_sharing(measured: Measurements, arms: tuple[str, ...], rounds: int) -> Verdict:
    """From E7: whether one of ``arms`` resists the transferring attacker and keeps half of the gain.

    Decided for the arm that comes closest, so that it is contradicted only where each arm is; among those
    that come as close, for the best by the smallest of how far it clears each bound."""
    worth = at_least(
        gain_of(measured, rounds, SHARING), WORTH, 0.0,
        f"full sharing gains at least {WORTH:.2f} main-task accuracy over training alone, its interval "
        "above 0",
    )  # fmt: skip
    claim = (
        "Our own: sharing less, or bounding what is shared, resists even one attack by somebody who knows it "
        "and keeps at least half of what federating gains over training alone."
    )
    candidates = sharing_candidates(measured, arms, rounds)
    found: list[tuple[int, float, tuple[Criterion, ...]]] = []
    for candidate in candidates:
        name = f"{candidate.arm} ({best_of(len(candidates))})"
        criteria = (
            *(
                at_most(
                    rise, RESISTS, RISE,
                    f"{name}, {moment}: attack-train backdoor accuracy is at most {RESISTS:.2f} above "
                    f"before the attack, its interval under {RISE:.2f}",
                    before_any_attack(measured, {"": Pick(candidate.arm, "matching")}),
                )
                for rise, moment in zip(
                    candidate.rises, ("right after", f"after {rounds} benign rounds"), strict=True
                )
            ),
            _kept(name, candidate.kept),
        )  # fmt: skip
        found.append((_BETTER.index(Verdict("", "", criteria).status), candidate.margin, criteria))
    if not found:
        text = "one of them resists and keeps half of the gain"
        return Verdict("F4", claim, (worth, Criterion(text, "open", f"{NOTHING}, or there is no gain")))
    *_, best = max(found, key=lambda one: one[:2])
    return Verdict("F4", claim, (worth, *best))


def _kept(name: str, kept: Ratio) -> Criterion:
    status: Status = "open"
    if kept.low is not None and kept.value >= HALF and kept.low > 0:
        status = "supported"
    elif kept.high is not None and kept.high < HALF:
        status = "contradicted"
    return Criterion(
        f"{name}: at least {HALF:.2f} of the gain is kept, its interval above 0", status, str(kept)
    )
