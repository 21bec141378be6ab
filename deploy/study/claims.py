"""The claims and the criteria by which measurements support them, written down and applied mechanically.

A criterion asks that a mean over seeds reaches a bound *and* that its 95 % interval leaves no doubt about the
direction. It is not supported when the whole interval misses the bound, and inconclusive otherwise; one seed
gives no interval, so it is always inconclusive.
"""

from collections.abc import Mapping

from deploy.study.federations import WAY
from deploy.study.findings import Criterion, Status, Verdict
from deploy.study.measurements import BEFORE, Measurements, Pick, When, main, train
from deploy.study.statistics import Estimate, over_seeds, paired

RISE = 0.3  # a backdoor took: attack-train backdoor accuracy this much above before the attack
LARGE = 0.3  # a defence greatly reduces it
LITTLE = 0.02  # of main-task accuracy: little
AT_MOST_LOST = 0.05  # and no interval that reaches further down
ALREADY = 2 / WAY  # backdoor accuracy before any attack: twice what chance gives

NOTHING = "nothing measured"

LINEAR_ONCE = Pick("E1", "linear")


def at_least(found: Estimate | None, bound: float, floor: float, text: str, before: str = "") -> Criterion:
    """The mean is at least ``bound``, and the interval lies above ``floor``. ``before``: what is to be known
    of it where the interval is wide, from :func:`before_any_attack`."""
    if found is None:
        return Criterion(text, "open", NOTHING)
    status: Status = "open"
    if found.mean >= bound and found.low > floor:
        status = "supported"
    elif found.high < bound:
        status = "contradicted"
    return Criterion(text, status, _found(found, before))


def at_most(found: Estimate | None, bound: float, ceiling: float, text: str, before: str = "") -> Criterion:
    """The mean is at most ``bound``, and the interval lies below ``ceiling``."""
    if found is None:
        return Criterion(text, "open", NOTHING)
    status: Status = "open"
    if found.mean <= bound and found.high < ceiling:
        status = "supported"
    elif found.low > bound:
        status = "contradicted"
    return Criterion(text, status, _found(found, before))


def _found(found: Estimate, before: str) -> str:
    if found.seeds == 1:
        return f"{found.mean:.3f} in one seed, so no interval"
    details = "; ".join(filter(None, (found.by_seed, before))) if found.is_wide else ""
    return f"{found} over {found.seeds} seeds" + (f" ({details})" if details else "")


def before_any_attack(measured: Measurements, picks: Mapping[str, Pick]) -> str:
    """The seeds whose users take the backdoor class for the target before any attack already, so that there
    is less for an attack to add; "" where there are none. ``picks``: by what they are called."""
    found = [
        f"{name} seed {seed}: {value:.2f}".strip()
        for name, pick in picks.items()
        for seed, value in measured.by_seed(pick, BEFORE, train).items()
        if value >= ALREADY
    ]
    return f"before the attack, {', '.join(found)}, where chance is {1 / WAY:.2f}" if found else ""


def rises(measured: Measurements, pick: Pick, when: When, text: str) -> Criterion:
    """Backdoor accuracy on attack-train images, above that before the attack."""
    before = before_any_attack(measured, {"": pick})
    return at_least(measured.risen(pick, when, train), RISE, 0.0, text, before)


def c1(measured: Measurements) -> Verdict:
    """From E1."""
    most = max(measured.steps_of(LINEAR_ONCE), default=None)
    last = Pick("E1", "linear", steps=most)
    steps = "the most" if most is None else most
    return Verdict(
        "C1",
        "Few-shot adaptation with benign examples does not remove a backdoor: even a one-shot attack is "
        "very successful.",
        (
            rises(
                measured, LINEAR_ONCE, 0,
                f"right after one attack and 50 adaptation steps, attack-train backdoor accuracy is at least "
                f"{RISE:.2f} above before the attack, its interval above 0",
            ),
            at_least(
                measured.at(last, 0, train), 0.5, 0.2,
                f"after {steps} adaptation steps it still is at least .5, its interval above chance (.2)",
            ),
            rises(
                measured, last, 0,
                f"after {steps} adaptation steps it still is at least {RISE:.2f} above what it is after as "
                "many before the attack, its interval above 0",
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
            rises(
                measured, held, 0,
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
        return rises(measured, Pick(arm, "linear"), rounds, text)

    return (
        Verdict("C2", "The backdoor persists after additional benign training.", (criterion("E2-apart"),)),
        Verdict(
            "C2 (holders)",
            "The same where the benign participants hold the backdoor class under its right label.",
            (criterion("E2-holders"),),
        ),
    )


SAME_MODEL = Pick("linear-plain", "matching")
TUNED = Pick("linear-plain", "matching-tuned")
FRESH_HEAD = Pick("linear-plain", "fresh-head")
UNDEFENDED = Pick("linear-plain", "linear")
FEDERATION = Pick("matching-plain-mean", "matching")
ADAPTIVE = Pick("matching-adaptive-mean", "matching")


def c3(measured: Measurements, rounds: int) -> tuple[Verdict, ...]:
    """From E4: the paper's claim, and what it leaves open."""

    def verdict(name: str, claim: str, defences: Mapping[str, Pick]) -> Verdict:
        return Verdict(
            name,
            claim,
            tuple(
                _reduction(measured, defended, when, f"{who}, {moment}")
                for who, defended in defences.items()
                for when, moment in ((0, "right after the attack"), (rounds, f"after {rounds} benign rounds"))
            ),
        )

    same, federation = "users match on the attacked model", "the federation meta-trains by matching"
    return (
        verdict(
            "C3",
            "Predicting from the similarity of features with a labelled support set, and taking the decision "
            "logic out of the shared model, greatly reduces success and persistence (of an attacker who "
            "poisons a head).",
            {same: SAME_MODEL, federation: FEDERATION},
        ),
        verdict(
            "C3 (adaptive)",
            "Our own: so it does where the attacker knows that users match features.",
            {federation: ADAPTIVE},
        ),
        verdict(
            "C3 (tuned)",
            "Our own: so it does where users match on the attacked model and adapt it.",
            {"users match and adapt": TUNED},
        ),
        verdict(
            "C3 (fresh head)",
            "Our own: a head that each user draws anew does as much, without similarity.",
            {"users draw a head": FRESH_HEAD},
        ),
    )


def _reduction(measured: Measurements, defended: Pick, when: int, what: str) -> Criterion:
    text = (
        f"{what}: attack-train backdoor accuracy rose by at least {LARGE:.2f} less than undefended, paired "
        "over seeds, the interval above 0"
    )
    one, other = measured.rise(UNDEFENDED, when, train), measured.rise(defended, when, train)
    undefended = over_seeds(one)
    if undefended is not None and undefended.mean < RISE:
        found = f"undefended it rose by {undefended} only, under {RISE:.2f}: there is nothing to reduce"
        return Criterion(text, "open", found)
    before = before_any_attack(measured, {"undefended": UNDEFENDED, "defended": defended})
    return at_least(paired(one, other), LARGE, 0.0, text, before)


def c4(measured: Measurements, rounds: int) -> tuple[Verdict, ...]:
    """From E4: of each defence that C3 is about."""
    after = f"{rounds} benign rounds after it"
    moments: tuple[tuple[When, When, str], ...] = (
        (BEFORE, BEFORE, "before the attack, main-task accuracy minus the undefended one"),
        (rounds, rounds, f"{after}, main-task accuracy minus the undefended one, which was attacked, too,"),
        (rounds, BEFORE, f"{after}, main-task accuracy minus the undefended one before any attack"),
    )

    def verdict(name: str, claim: str, defended: Pick) -> Verdict:
        return Verdict(
            name,
            claim,
            tuple(
                at_least(
                    main_difference(measured, defended, when, undefended), -LITTLE, -AT_MOST_LOST,
                    f"{what} is at least -{LITTLE:.2f}, its interval above -{AT_MOST_LOST:.2f}",
                )
                for when, undefended, what in moments
            ),
        )  # fmt: skip

    return (
        verdict(
            "C4",
            "The defence costs little main-task accuracy (implied): the federation meta-trains by matching.",
            FEDERATION,
        ),
        verdict("C4 (same model)", "The same: users match on the undefended federation's model.", SAME_MODEL),
        verdict(
            "C4 (tuned)", "The same: users match on the undefended federation's model and adapt it.", TUNED
        ),
    )


def main_difference(measured: Measurements, defended: Pick, when: When, undefended: When) -> Estimate | None:
    """Main-task accuracy, defended minus undefended, each at its moment, paired over seeds."""
    one = measured.by_seed(defended, when, main)
    other = measured.by_seed(UNDEFENDED, undefended, main)
    return paired(one, other)
