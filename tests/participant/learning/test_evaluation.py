"""What the auditor's episodes are made of: whose images, at which positions."""

import numpy as np
import pytest
import torch
from torch import Tensor

from participant.learning.attack_images import attack_images
from participant.learning.evaluation import AuditData, backdoor_episode, interval, main_episode
from protocol.scenario import Scenario
from protocol.split import ClassSplit, split_classes
from tests.participant.tiny import tiny_bank, tiny_dataset, tiny_scenario

BANK = tiny_bank()
SHOTS = 2


def audit(*overrides: str) -> tuple[Scenario, AuditData, ClassSplit]:
    scenario = tiny_scenario(*overrides)
    split = split_classes(tiny_dataset().classes, scenario.task.split, scenario.federation.seed)
    return scenario, AuditData(BANK, split.test, attack_images(scenario, split, BANK)), split


def rows(images: Tensor) -> list[int]:
    """Which row of the bank each image is."""
    everything = BANK.take(np.arange(len(BANK.images)))
    return [int((everything == image).flatten(1).all(dim=1).nonzero()) for image in images]


def names(images: Tensor) -> list[str]:
    return [next(name for name, own in BANK.members.items() if row in own) for row in rows(images)]


def test_a_main_episode_is_of_test_classes_and_classifies_images_that_it_does_not_show() -> None:
    scenario, data, split = audit()
    for number in range(5):
        episode = main_episode(scenario, data, SHOTS, number)
        shown, asked = names(episode.support), names(episode.query)
        assert set(shown) == set(asked) <= set(split.test)
        assert shown[::SHOTS] == [asked[i * scenario.task.query] for i in range(scenario.task.way)]
        assert not set(rows(episode.support)) & set(rows(episode.query))


@pytest.mark.parametrize("position", [0, 2])
def test_a_backdoor_episode_shows_the_users_target_and_asks_for_the_backdoor(position: int) -> None:
    scenario, data, split = audit(f"attack.target_position={position}", "attack.backdoor_classes=2")
    for number in range(4):
        episode = backdoor_episode(scenario, data, SHOTS, False, number)
        backdoor = sorted(split.backdoor)[number % 2]
        shown = rows(episode.support[episode.support_labels == position])
        assert set(shown) <= set(data.attack.user_target)
        others = names(episode.support[episode.support_labels != position])
        assert set(others) <= set(split.test)
        asked = rows(episode.query)
        assert asked[: scenario.attack.images] == list(data.attack.attack_train[backdoor])
        assert sorted(asked[scenario.attack.images :]) == sorted(data.attack.attack_validation[backdoor])
        assert torch.all(episode.query_labels == position)


def test_with_the_backdoor_class_in_the_support_set_it_has_a_label_of_its_own() -> None:
    scenario, data, split = audit()
    (backdoor,) = split.backdoor[:1]
    attack = data.attack
    train, validation = attack.attack_train[backdoor], attack.attack_validation[backdoor]
    for number in range(4):
        episode = backdoor_episode(scenario, data, SHOTS, True, number)
        shown = rows(episode.support)
        own = [row for row in shown if row in BANK.members[backdoor]]
        assert len(own) == SHOTS
        assert set(own) <= set(attack.held[backdoor])  # neither the attacker's nor what is classified
        labels = {int(episode.support_labels[shown.index(row)]) for row in own}
        assert len(labels) == 1
        assert labels != {0}
        asked = rows(episode.query)
        assert asked[: len(train)] == list(train)
        assert asked[len(train) :] == list(validation)


def test_an_interval_is_the_mean_and_its_normal_half_width() -> None:
    found = interval([0.2, 0.4, 0.6])
    assert found.mean == pytest.approx(0.4)
    assert found.episodes == 3
    assert found.ci95 == pytest.approx(1.96 * 0.2 / 3**0.5)
