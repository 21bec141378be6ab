"""The experiments, as tables of what each varies (paper.md's E1 … E7; definitions are our own).

An arm is a federation under one name; runs that several experiments need are one and the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deploy.study.federations import (
    ADAPTIVE,
    ALONE_PRETRAINING,
    AWARE,
    BLOCKS,
    LINEAR_PRETRAINING,
    NAIVE,
    NONE,
    PATIENT,
    PLAIN,
    TRANSFER,
    Branch,
    Settings,
    depth_pretraining,
    matching_pretraining,
)
from deploy.study.sizes import Size

BOTH_SUPPORTS = {"evaluation.backdoor_in_support": [False, True]}


@dataclass(frozen=True)
class Experiment:
    """``branches``: its federations; ``uses``: experiments whose federations it analyses as well."""

    name: str
    title: str
    question: str
    branches: Callable[[Size], tuple[Branch, ...]] = lambda _: ()
    uses: tuple[str, ...] = ()


def _measured(size: Size, decisions: list[str], episodes: int, steps: tuple[int, ...] = (50,)) -> Settings:
    return {
        "decision.names": decisions,
        "evaluation.episodes": episodes,
        "evaluation.adaptation_steps": [*steps],
    }


def _e1(size: Size) -> tuple[Branch, ...]:
    measured = _measured(size, ["linear"], size.headline, size.adaptation_steps)
    return (Branch("E1", LINEAR_PRETRAINING, {**PLAIN, **measured, **BOTH_SUPPORTS}, (0, size.benign)),)


def _e2(size: Size) -> tuple[Branch, ...]:
    settings = {**PLAIN, **_measured(size, ["linear"], size.curve), **BOTH_SUPPORTS}
    return tuple(
        Branch(
            f"E2-{arm}",
            LINEAR_PRETRAINING,
            {**settings, "attack.benign_hold_backdoor": holders == "yes"},
            measured=size.after,
            factors={"holders": holders},
        )
        for arm, holders in (("apart", "no"), ("holders", "yes"))
    )


def _linear_decisions(size: Size) -> Branch:
    decisions = ["linear", "fresh-head", "matching", "matching-tuned"]
    settings = {**PLAIN, **_measured(size, decisions, size.curve), **BOTH_SUPPORTS}
    return Branch("linear-plain", LINEAR_PRETRAINING, settings, (0, size.benign), factors=_factors("linear"))


def _matching(size: Size, attacker: str, aggregation: str) -> Branch:
    """The matching federation attacked once, as E4 measures it; E6 looks at the same runs."""
    decisions = ["matching", "matching-tuned"] if aggregation == "mean" else ["matching"]
    settings = {
        **_ATTACKERS[attacker],
        **_measured(size, decisions, size.curve),
        **BOTH_SUPPORTS,
    }
    factors = _factors("matching", attacker, aggregation)
    name = f"matching-{attacker}-{aggregation}"
    return Branch(name, matching_pretraining(aggregation), settings, (0, size.benign), factors=factors)


def _factors(federation: str, attacker: str = "plain", aggregation: str = "mean") -> dict[str, str]:
    return {"federation": federation, "attacker": attacker, "aggregation": aggregation}


_ATTACKERS: dict[str, Settings] = {"plain": PLAIN, "adaptive": ADAPTIVE, "aware": AWARE}


def _alone(size: Size) -> Branch:
    """Each participant of the matching federation by itself; nobody could attack it."""
    measured = _measured(size, ["matching"], size.private)
    factors = _factors("alone", "nobody")
    return Branch("alone-nobody", ALONE_PRETRAINING, measured, (0, size.benign), attacks=0, factors=factors)


def _unattacked(size: Size) -> Branch:
    """The matching federation going on without an attack: what the shares of the gain are counted from."""
    start, measured = matching_pretraining("mean"), _measured(size, ["matching"], size.curve)
    factors = _factors("matching", "nobody")
    return Branch("matching-nobody-mean", start, measured, (0, size.benign), attacks=0, factors=factors)


def _e4(size: Size) -> tuple[Branch, ...]:
    matching = [
        _matching(size, attacker, aggregation)
        for attacker in ("plain", "adaptive")
        for aggregation in ("mean", "norm-bound")
    ]
    return (_linear_decisions(size), *matching, _unattacked(size), _alone(size))


SPLIT: Settings = {"attack.together": "split", "attack.backdoor_classes": 2}
# E5, one thing at a time: what is varied, to what, and the setting. Without one of these keys, users meet the
# same before the attack as in the base, where it was measured.
_SEEN_BEFORE = ("attack.target_position", "attack.backdoor_classes", "attack.images")
_VARIATIONS: tuple[tuple[str, str, Settings], ...] = (
    ("base", "base", NONE),
    ("target position", "random", {"attack.target_position": "random"}),
    ("boost", "1", {"attack.boost": 1.0}),
    ("boost", "2", {"attack.boost": 2.0}),
    ("boost", "4", {"attack.boost": 4.0}),
    ("attack steps", "30", {"attack.steps": 30}),
    ("attack steps", "100", {"attack.steps": 100}),
    ("attack steps", "300", {"attack.steps": 300}),
    ("backdoor classes", "2", {"attack.backdoor_classes": 2}),
    ("backdoor classes", "4", {"attack.backdoor_classes": 4}),
    ("attack images", "2", {"attack.images": 2}),
    ("attack images", "5", {"attack.images": 5}),
    ("attack", "poisoned_episode", {"attack.name": "poisoned_episode"}),
    ("augmentation", "off", {"attack.augment": False}),
    ("attackers", "2 collude", {"attack.participants": 2, "attack.together": "collude"}),
    ("attackers", "2 split 2 classes", {"attack.participants": 2, **SPLIT}),
)


def _e5(size: Size) -> tuple[Branch, ...]:
    measured = _measured(size, ["linear"], size.variation)
    return tuple(
        Branch(
            f"E5-{'-'.join(dict.fromkeys(f'{what} {value}'.replace('_', ' ').split()))}",
            LINEAR_PRETRAINING,
            {**PLAIN, **measured, **settings},
            measured=(0,),
            before=what == "base" or any(key in settings for key in _SEEN_BEFORE),
            factors={"varied": what, "value": value},
        )
        for what, value, settings in _VARIATIONS
    )


def _e6(size: Size) -> tuple[Branch, ...]:
    once = [
        _matching(size, "adaptive", "mean"),
        _matching(size, "adaptive", "norm-bound"),
        _forward(size, "aware", "norm-bound", 1),
        _forward(size, "adaptive", "coordinate-median", 1),
    ]
    patient = [
        _forward(size, attacker, aggregation, size.patient)
        for attacker, aggregation in (
            ("adaptive", "mean"),
            ("adaptive", "norm-bound"),
            ("aware", "norm-bound"),
            ("adaptive", "coordinate-median"),
        )
    ]
    return (_linear_decisions(size), *once, *patient, _unattacked(size), _alone(size))


def _forward(size: Size, attacker: str, aggregation: str, attacks: int) -> Branch:
    """The matching federation under the adaptive attacker, measured without adaptation."""
    patience = "once" if attacks == 1 else "patient"
    return Branch(
        f"E6-{attacker}-{aggregation}-{patience}",
        matching_pretraining(aggregation),
        {
            **_ATTACKERS[attacker],
            **(PATIENT if attacks > 1 else NONE),
            **_measured(size, ["matching"], size.forward),
            **BOTH_SUPPORTS,
        },
        size.after,
        attacks,
        factors={**_factors("matching", attacker, aggregation), "patience": patience},
    )


# E7: each arm's attacker and attack, aggregation, whether it is patient, and at which depths it is tried.
# Where everything is shared the naive attacker is the transferring one.
_SHARING_ARMS: tuple[tuple[str, Settings, str, bool, tuple[int, ...]], ...] = (
    ("naive", NAIVE, "mean", False, (2,)),
    ("transfer", TRANSFER, "mean", False, (4, 3, 2, 1)),
    ("transfer", TRANSFER, "norm-bound", False, (4,)),
    ("transfer", TRANSFER, "coordinate-median", False, (4, 3, 2)),
    ("transfer", TRANSFER, "norm-bound", True, (4,)),
    ("transfer", TRANSFER, "coordinate-median", True, (4, 3, 2)),
)


def _e7(size: Size) -> tuple[Branch, ...]:
    controls = (_sharing(size, BLOCKS, "nobody", NONE, "mean"), _sharing(size, 0, "nobody", NONE, "mean"))
    return controls + tuple(
        _sharing(size, depth, attacker, settings, aggregation, patient=patient)
        for depth in size.depths
        for attacker, settings, aggregation, patient, depths in _SHARING_ARMS
        if depth in depths
    )


def _sharing(
    size: Size, depth: int, attacker: str, attack: Settings, aggregation: str, *, patient: bool = False
) -> Branch:
    attacks = 0 if attacker == "nobody" else size.patient if patient else 1
    patience = "patient" if patient else "once"
    return Branch(
        f"E7-depth-{depth}-{attacker}" + ("" if attacker == "nobody" else f"-{aggregation}-{patience}"),
        depth_pretraining(depth, aggregation),
        {
            **attack,
            **(PATIENT if patient else NONE),
            **_measured(size, ["matching"], size.private),
        },
        (0, size.many_benign),
        attacks,
        "quarter" if patient else 1,
        factors={
            "depth": str(depth),
            "attacker": attacker,
            "aggregation": aggregation,
            "patience": patience,
        },
    )


EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "E1",
            "One-shot attack, then users adapt",
            "Does few-shot adaptation with clean images remove the backdoor?",
            _e1,
        ),
        Experiment(
            "E2",
            "One-shot attack, then benign rounds",
            "Does the backdoor persist, also where benign participants hold the backdoor class?",
            _e2,
        ),
        Experiment(
            "E3",
            "The backdoor class in the user's support set",
            "Does a user who knows the backdoor class by its right label escape? (E1's and E2's runs)",
            uses=("E1", "E2"),
        ),
        Experiment(
            "E4",
            "The user's decision logic as the defence",
            "How much of success and persistence is left without a shared head, and at what cost?",
            _e4,
        ),
        Experiment(
            "E5",
            "What makes the attack work",
            "Target position, boost, steps, classes, images, attackers: one at a time.",
            _e5,
        ),
        Experiment(
            "E6",
            "The attacker knows the defence",
            "How much is left of it, with and without robust aggregation, once and patiently?",
            _e6,
        ),
        Experiment(
            "E7",
            "Sharing depth",
            "What is not shared cannot be poisoned: resistance against the gain of federating.",
            _e7,
        ),
    )
}
