"""Which images of the backdoor and target classes are the attacker's, and which the users'.

All sides derive the same answer from the scenario's seed, so that attack-validation images are never seen in
any training, nor by any user before they are classified.
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
    """Row numbers in a bank, by backdoor class in three parts: ``attack_train`` are the attacker's; ``held``
    are those that people have under their right label (users in their support set, benign participants who
    hold the class); ``attack_validation`` are only ever classified. The target class's images are in two
    halves, since the attacker's are not the users'."""

    target: str
    attack_train: dict[str, Rows]
    held: dict[str, Rows]
    attack_validation: dict[str, Rows]
    attacker_target: Rows
    user_target: Rows


def attack_images(scenario: Scenario, split: ClassSplit, bank: ImageBank) -> AttackImages:
    """Of what ``attack.images`` leaves of a backdoor class, half is held. Raises :class:`UsageProblem` when
    no image is left for attack-validation."""
    attack, seed = scenario.attack, scenario.federation.seed
    target = split.target[0]
    train, held, validation = {}, {}, {}
    for name in split.backdoor[: attack.backdoor_classes]:
        rows = generator(seed, "attack images", name).permutation(bank.members[name])
        if len(rows) <= attack.images:
            raise UsageProblem(
                f"attack.images = {attack.images}, but backdoor class {name!r} has {len(rows)} images "
                "and at least one must be left for attack-validation"
            )
        held_until = attack.images + (len(rows) - attack.images) // 2
        train[name] = rows[: attack.images]
        held[name] = rows[attack.images : held_until]
        validation[name] = rows[held_until:]
    rows = generator(seed, "attack images", target).permutation(bank.members[target])
    half = len(rows) // 2
    return AttackImages(target, train, held, validation, rows[:half], rows[half:])


def require_held(scenario: Scenario, attack: AttackImages, needed: int, key: str) -> None:
    """Raises :class:`UsageProblem` when fewer than ``needed`` images of a backdoor class are held, which
    ``key`` of the scenario asks for."""
    for name, held in attack.held.items():
        if len(held) < needed:
            there = sum(map(len, (attack.attack_train[name], held, attack.attack_validation[name])))
            most = there - 2 * needed
            remedy = f"set it to {most} at most" if most > 0 else "use a class with more images"
            raise UsageProblem(
                f"attack.images = {scenario.attack.images} of the {there} of backdoor class {name!r} leaves "
                f"{len(held)} that others hold, but {key} needs {needed}: {remedy}"
            )


def attack_classes(scenario: Scenario, split: ClassSplit) -> tuple[str, ...]:
    """The classes that :func:`attack_images` needs in its bank."""
    return (split.target[0], *split.backdoor[: scenario.attack.backdoor_classes])


def target_position(scenario: Scenario, rng: np.random.Generator) -> int:
    """The output position of the target class: the federation's, or drawn for this episode."""
    fixed = scenario.attack.target_position
    return int(rng.integers(scenario.task.way)) if fixed == "random" else fixed
