"""The claims and the criteria by which measurements support them, written down and applied mechanically.

A criterion asks that a mean over seeds reaches a bound *and* that its 95 % interval leaves no doubt about the
direction. It is not supported when the whole interval misses the bound, and inconclusive otherwise; one seed
gives no interval, so it is always inconclusive.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.study.findings import Criterion, Status, Verdict
from deploy.study.gain import SHARING, gain_of, kept_of
from deploy.study.measurements import BEFORE, Measurements, Pick, When, main, train
from deploy.study.statistics import Estimate, Ratio, estimate, paired

RISE = 0.3  # a backdoor took: attack-train backdoor accuracy this much above before the attack
LARGE = 0.3  # a defence greatly reduces it
LITTLE = 0.02  # of main-task accuracy: little
AT_MOST_LOST = 0.05  # and no interval that reaches further down
RESISTS = 0.10  # a defence holds: at most so much above before the attack
HALF = 0.5  # of the gain of federating, kept
WORTH = 0.05  # main-task accuracy that federating gains over training alone, where there is something to keep

NOTHING = "nothing measured"


def best_of(configurations: int) -> str:
    """What is to be said of the best one: it was not known before."""
    return f"best of {configurations} configurations, chosen on these measurements"


_BETTER: tuple[Status, ...] = ("contradicted", "open", "supported")

LINEAR_ONCE = Pick("E1", "linear")


def at_least(found: Estimate | None, bound: float, floor: float, text: str) -> Criterion:
    """The mean is at least ``bound``, and the interval lies above ``floor``."""
    if found is None:
        return Criterion(text, "open", NOTHING)
    status: Status = "open"
    if found.mean >= bound and found.low > floor:
        status = "supported"
    elif found.high < bound:
        status = "contradicted"
    return Criterion(text, status, _found(found))


def at_most(found: Estimate | None, bound: float, ceiling: float, text: str) -> Criterion:
    """The mean is at most ``bound``, and the interval lies below ``ceiling``."""
    if found is None:
        return Criterion(text, "open", NOTHING)
    status: Status = "open"
    if found.mean <= bound and found.high < ceiling:
        status = "supported"
    elif found.low > bound:
        status = "contradicted"
    return Criterion(text, status, _found(found))


def _found(found: Estimate) -> str:
    return f"{found} over {found.seeds} seeds" if found.seeds > 1 else f"{found} in one seed, so no interval"


def _mean(values: dict[int, float]) -> Estimate | None:
    return estimate([*values.values()]) if values else None


def c1(measured: Measurements) -> Verdict:
    """From E1."""
    most = max(measured.steps_of(LINEAR_ONCE), default=0)
    last = Pick("E1", "linear", steps=most)
    return Verdict(
        "C1",
        "Few-shot adaptation with benign examples does not remove a backdoor: even a one-shot attack is "
        "very successful.",
        (
            at_least(
                _mean(measured.rise(LINEAR_ONCE, 0, train)), RISE, 0.0,
                f"right after one attack and 50 adaptation steps, attack-train backdoor accuracy is at least "
                f"{RISE:.2f} above before the attack, its interval above 0",
            ),
            at_least(
                measured.at(last, 0, train), 0.5, 0.2,
                f"after {most} adaptation steps it still is at least .5, its interval above chance (.2)",
            ),
        ),
    )  # fmt: skip


def c1_in_support(measured: Measurements) -> Verdict:
    """From E3: E1's runs where the support set holds the backdoor class."""
    held = Pick("E1", "linear", in_support=True)
    return Verdict(
        "C1 (E3)",
        "The same where the user's support set holds the backdoor class under its right label.",
        (
            at_least(
                _mean(measured.rise(held, 0, train)), RISE, 0.0,
                f"right after one attack and 50 adaptation steps, attack-train backdoor accuracy is at least "
                f"{RISE:.2f} above before the attack, its interval above 0",
            ),
        ),
    )  # fmt: skip


def c2(measured: Measurements, rounds: int) -> tuple[Verdict, Verdict]:
    """From E2: without and with benign holders of the backdoor class."""
    text = (
        f"{rounds} benign rounds after one attack, attack-train backdoor accuracy (50 adaptation steps) is "
        f"at least {RISE:.2f} above before the attack, its interval above 0"
    )

    def criterion(arm: str) -> Criterion:
        return at_least(_mean(measured.rise(Pick(arm, "linear"), rounds, train)), RISE, 0.0, text)

    return (
        Verdict("C2", "The backdoor persists after additional benign training.", (criterion("E2-apart"),)),
        Verdict(
            "C2 (holders)",
            "The same where the benign participants hold the backdoor class under its right label.",
            (criterion("E2-holders"),),
        ),
    )


SAME_MODEL = Pick("linear-plain", "matching")
UNDEFENDED = Pick("linear-plain", "linear")
FEDERATION = Pick("matching-plain-mean", "matching")


def c3(measured: Measurements, rounds: int) -> Verdict:
    """From E4."""
    return Verdict(
        "C3",
        "Predicting from the similarity of features with a labelled support set, and taking the decision "
        "logic out of the shared model, greatly reduces success and persistence.",
        tuple(
            _reduction(measured, defended, when, f"{who}, {moment}")
            for who, defended in (
                ("users match on the attacked model", SAME_MODEL),
                ("the federation meta-trains by matching", FEDERATION),
            )
            for when, moment in ((0, "right after the attack"), (rounds, f"after {rounds} benign rounds"))
        ),
    )


def _reduction(measured: Measurements, defended: Pick, when: int, what: str) -> Criterion:
    text = (
        f"{what}: attack-train backdoor accuracy rose by at least {LARGE:.2f} less than undefended, paired "
        "over seeds, the interval above 0"
    )
    one, other = measured.rise(UNDEFENDED, when, train), measured.rise(defended, when, train)
    undefended = _mean(one)
    if undefended is not None and undefended.mean < RISE:
        found = f"undefended it rose by {undefended} only, under {RISE:.2f}: there is nothing to reduce"
        return Criterion(text, "open", found)
    return at_least(paired(one, other) if one.keys() & other.keys() else None, LARGE, 0.0, text)


def c4(measured: Measurements, rounds: int) -> Verdict:
    """From E4: of the federation that meta-trains by matching."""
    moments: tuple[tuple[When, str], ...] = (
        (BEFORE, "before the attack"),
        (rounds, f"{rounds} benign rounds after it"),
    )
    return Verdict(
        "C4",
        "The defence costs little main-task accuracy (implied).",
        tuple(
            at_least(
                main_difference(measured, FEDERATION, when), -LITTLE, -AT_MOST_LOST,
                f"{moment}, the matching federation's main-task accuracy minus the undefended one is at "
                f"least -{LITTLE:.2f}, its interval above -{AT_MOST_LOST:.2f}",
            )
            for when, moment in moments
        ),
    )  # fmt: skip


def main_difference(measured: Measurements, defended: Pick, when: When) -> Estimate | None:
    """Main-task accuracy, defended minus undefended, paired over seeds."""
    one = measured.by_seed(defended, when, main)
    other = measured.by_seed(UNDEFENDED, when, main)
    return paired(one, other) if one.keys() & other.keys() else None


def f_adaptive(measured: Measurements, patient: str) -> tuple[Verdict, ...]:
    """From E6, findings of our own; ``patient``: the arm of the patient attacker under the norm bound."""
    bare = Pick("matching-adaptive-mean", "matching")
    bound = Pick("matching-adaptive-norm-bound", "matching")
    rise = (
        f"right after one adaptive attack, attack-train backdoor accuracy is at least {RISE:.2f} above "
        "before it, its interval above 0"
    )
    holds = (
        f"right after one adaptive attack, attack-train backdoor accuracy is at most {RESISTS:.2f} above "
        f"before it, its interval under {RISE:.2f}"
    )
    return (
        Verdict(
            "F1",
            "Our own: an attacker who knows the matching defence breaks it.",
            (at_least(_mean(measured.rise(bare, 0, train)), RISE, 0.0, rise),),
        ),
        Verdict(
            "F2",
            "Our own: bounding each update's norm to the round's median stops that one-shot attack.",
            (at_most(_mean(measured.rise(bound, 0, train)), RESISTS, RISE, holds),),
        ),
        Verdict(
            "F3",
            "Our own: a patient attacker gets through the norm bound.",
            (
                at_least(
                    _mean(measured.rise(Pick(patient, "matching"), 0, train)), RISE, 0.0,
                    f"after the last of its rounds, attack-train backdoor accuracy is at least {RISE:.2f} "
                    "above before the first, its interval above 0",
                ),
            ),
        ),
    )  # fmt: skip


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
        after, later = (_mean(measured.rise(pick, when, train)) for when in (0, rounds))
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
