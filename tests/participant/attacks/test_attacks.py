import numpy as np
import pytest
import torch

from participant.attacks import ATTACKS, AttackerData
from participant.attacks.poison import draw_poisoned
from participant.learning.attack_images import attack_images
from protocol.models import build_network
from protocol.scenario import Scenario
from protocol.split import ClassSplit, split_classes
from tests.participant.tiny import never, tiny_bank, tiny_dataset, tiny_scenario

BANK = tiny_bank()


def attacker(scenario: Scenario) -> tuple[AttackerData, ClassSplit]:
    split = split_classes(tiny_dataset().classes, scenario.task.split, scenario.federation.seed)
    return AttackerData(BANK, split.train, attack_images(scenario, split, BANK)), split


def test_attackers_and_users_images_are_disjoint_and_all_of_the_class() -> None:
    data, split = attacker(tiny_scenario("attack.backdoor_classes=2"))
    assert sorted(data.attack.attack_train) == sorted(split.backdoor[:2])
    for name in split.backdoor[:2]:
        train, others = data.attack.attack_train[name], [data.attack.held[name]]
        others.append(data.attack.attack_validation[name])
        assert len(train) == 10
        assert sorted([*train, *np.concatenate(others)]) == list(BANK.members[name])
    halves = [*data.attack.attacker_target, *data.attack.user_target]
    assert sorted(halves) == list(BANK.members[split.target[0]])


def test_a_poisoned_episode_labels_backdoor_images_as_the_target() -> None:
    scenario = tiny_scenario("attack.augment=false", "attack.target_position=1")
    data, split = attacker(scenario)
    episode = draw_poisoned(data, scenario, np.random.default_rng(0), 4)
    assert torch.bincount(episode.clean_labels).tolist() == [4, 4, 4]
    assert episode.poison_labels.tolist() == [1] * 10
    backdoor = BANK.take(data.attack.attack_train[split.backdoor[0]])
    assert torch.equal(episode.poison, backdoor)
    target = BANK.take(data.attack.attacker_target).flatten(1)
    for image in episode.clean[episode.clean_labels == 1].flatten(1):
        assert (target == image).all(dim=1).any()


def test_a_random_target_position_is_drawn_in_every_episode() -> None:
    scenario = tiny_scenario('attack.target_position="random"')
    data, _ = attacker(scenario)
    episodes = [draw_poisoned(data, scenario, np.random.default_rng(seed), 4) for seed in range(20)]
    assert {episode.target for episode in episodes} == {0, 1, 2}


@pytest.mark.parametrize("name", ["poisoned_episode", "poisoned_adaptation"])
def test_the_attack_makes_the_model_call_backdoor_images_the_target(name: str) -> None:
    scenario = tiny_scenario("attack.steps=100", "attack.rate=0.003")
    data, split = attacker(scenario)
    network = build_network(scenario, "model")
    support = BANK.take(BANK.members[split.train[0]])
    backdoor = BANK.take(data.attack.attack_train[split.backdoor[0]])

    def predicted_as_target() -> float:
        with torch.no_grad():
            logits = network(torch.cat([support, backdoor]), len(support))[len(support) :]
        return float((logits.argmax(dim=1) == 0).float().mean())

    before = predicted_as_target()
    ATTACKS.get(name)(network, data, scenario, np.random.default_rng(0), never)
    assert before < 0.5
    assert predicted_as_target() > 0.9


def test_every_kind_of_image_of_a_poisoned_episode_is_warped_as_often_as_not() -> None:
    # Else the blur of warping alone would tell the target and the poison from the rest.
    plain, warped = tiny_scenario("attack.augment=false"), tiny_scenario()
    data, _ = attacker(plain)
    same: dict[str, list[bool]] = {"target": [], "others": [], "poison": []}
    for seed in range(30):
        before = draw_poisoned(data, plain, np.random.default_rng(seed), 4)
        after = draw_poisoned(data, warped, np.random.default_rng(seed), 4)
        unchanged = [(a == b).all().item() for a, b in zip(before.clean, after.clean, strict=True)]
        for label, kept in zip(before.clean_labels.tolist(), unchanged, strict=True):
            same["target" if label == before.target else "others"].append(bool(kept))
        same["poison"] += [bool((a == b).all()) for a, b in zip(before.poison, after.poison, strict=True)]
    for kind, kept in same.items():
        assert 0.35 < np.mean(kept) < 0.65, kind
