"""Which images of the backdoor and target classes are the attacker's, and which the users'.

Attacker and auditor derive the same answer from the scenario's seed, so that what is measured on
attack-validation images was never seen in training.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from participant.learning.images import ImageBank
from protocol.errors import UsageProblem
from protocol.scenario import Scenario
from protocol.seeds import generator
from protocol.split import ClassSplit

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class AttackImages:
    """Row numbers in a bank. ``attack_train`` and ``attack_validation`` by backdoor class; the target
    class's images in two halves, since the attacker's are not the users'."""

    target: str
    attack_train: dict[str, Rows]
    attack_validation: dict[str, Rows]
    attacker_target: Rows
    user_target: Rows


def attack_images(scenario: Scenario, split: ClassSplit, bank: ImageBank) -> AttackImages:
    """Raises :class:`UsageProblem` when a backdoor class has no image left for attack-validation."""
    attack, seed = scenario.attack, scenario.federation.seed
    target = split.target[0]
    train, validation = {}, {}
    for name in split.backdoor[: attack.backdoor_classes]:
        rows = generator(seed, "attack images", name).permutation(bank.members[name])
        if len(rows) <= attack.images:
            raise UsageProblem(
                f"attack.images = {attack.images}, but backdoor class {name!r} has {len(rows)} images "
                "and at least one must be left for attack-validation"
            )
        train[name], validation[name] = rows[: attack.images], rows[attack.images :]
    rows = generator(seed, "attack images", target).permutation(bank.members[target])
    half = len(rows) // 2
    return AttackImages(target, train, validation, rows[:half], rows[half:])


def attack_classes(scenario: Scenario, split: ClassSplit) -> tuple[str, ...]:
    """The classes that :func:`attack_images` needs in its bank."""
    return (split.target[0], *split.backdoor[: scenario.attack.backdoor_classes])


def target_position(scenario: Scenario, rng: np.random.Generator) -> int:
    """The output position of the target class: the federation's, or drawn for this episode."""
    fixed = scenario.attack.target_position
    return int(rng.integers(scenario.task.way)) if fixed == "random" else fixed
