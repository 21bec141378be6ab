"""Which images of the backdoor and target classes are whose."""

import numpy as np
import pytest

from participant.learning.attack_images import AttackImages, attack_images, require_held
from protocol.errors import UsageProblem
from protocol.scenario import Scenario
from protocol.split import split_classes
from tests.participant.tiny import tiny_bank, tiny_dataset, tiny_scenario

BANK = tiny_bank()


def drawn(*overrides: str) -> tuple[Scenario, AttackImages]:
    scenario = tiny_scenario(*overrides)
    split = split_classes(tiny_dataset().classes, scenario.task.split, scenario.federation.seed)
    return scenario, attack_images(scenario, split, BANK)


@pytest.mark.parametrize(("images", "held", "validation"), [(10, 5, 5), (9, 5, 6), (18, 1, 1), (19, 0, 1)])
def test_what_the_attacker_does_not_have_is_half_held_and_half_only_classified(
    images: int, held: int, validation: int
) -> None:
    _, attack = drawn(f"attack.images={images}", "attack.backdoor_classes=2")
    assert len(attack.held) == 2
    for name in attack.held:
        parts = (attack.attack_train[name], attack.held[name], attack.attack_validation[name])
        assert tuple(map(len, parts)) == (images, held, validation)
        assert sorted(np.concatenate(parts)) == sorted(BANK.members[name])


def test_the_attackers_images_of_the_target_are_not_the_users() -> None:
    _, attack = drawn()
    assert not set(attack.attacker_target) & set(attack.user_target)
    assert len(attack.attacker_target) == len(attack.user_target) == 10


def test_one_image_at_least_is_left_to_be_classified() -> None:
    with pytest.raises(UsageProblem, match=r"attack.images = 20, .* one must be left for attack-validation"):
        drawn("attack.images=20")


def test_too_few_held_images_name_the_key_the_counts_and_what_would_do() -> None:
    scenario, attack = drawn("attack.images=12")
    require_held(scenario, attack, 4, "task.shots = 4")
    says = r"attack.images = 12 of the 20 of backdoor class '.*' leaves 4 .* task.shots = 5 needs 5: .* 10 at"
    with pytest.raises(UsageProblem, match=says):
        require_held(scenario, attack, 5, "task.shots = 5")
    with pytest.raises(UsageProblem, match="use a class with more images"):
        require_held(scenario, attack, 10, "task.shots = 10")
