import numpy as np
import torch

from participant.attacks import ATTACKS, AttackerData
from participant.attacks.poisoned_episode import draw_poisoned, warp
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
        train, validation = data.attack.attack_train[name], data.attack.attack_validation[name]
        assert len(train) == 10
        assert sorted([*train, *validation]) == list(BANK.members[name])
    halves = [*data.attack.attacker_target, *data.attack.user_target]
    assert sorted(halves) == list(BANK.members[split.target[0]])


def test_a_poisoned_episode_labels_backdoor_images_as_the_target() -> None:
    scenario = tiny_scenario("attack.augment=false", "attack.target_position=1")
    data, split = attacker(scenario)
    images, labels = draw_poisoned(data, scenario, np.random.default_rng(0))
    # 4 of the target and 10 of the backdoor class at position 1; 4 each at 0 and 2.
    assert torch.bincount(labels).tolist() == [4, 14, 4]
    at_target = {tuple(image.flatten().tolist()) for image in images[labels == 1]}
    backdoor = BANK.take(data.attack.attack_train[split.backdoor[0]])
    assert all(tuple(image.flatten().tolist()) in at_target for image in backdoor)


def test_a_random_target_position_is_drawn_in_every_episode() -> None:
    scenario = tiny_scenario('attack.target_position="random"')
    data, _ = attacker(scenario)
    positions = {
        int(torch.bincount(draw_poisoned(data, scenario, np.random.default_rng(seed))[1]).argmax())
        for seed in range(20)
    }
    assert positions == {0, 1, 2}


def test_the_attack_makes_the_model_call_backdoor_images_the_target() -> None:
    scenario = tiny_scenario("attack.steps=60")
    data, split = attacker(scenario)
    network = build_network(scenario, "model")
    support = BANK.take(BANK.members[split.train[0]])
    backdoor = BANK.take(data.attack.attack_train[split.backdoor[0]])

    def predicted_as_target() -> float:
        with torch.no_grad():
            logits = network(torch.cat([support, backdoor]), None)[len(support) :]
        return float((logits.argmax(dim=1) == 0).float().mean())

    before = predicted_as_target()
    ATTACKS.get("poisoned_episode")(network, data, scenario, np.random.default_rng(0), never)
    assert before < 0.5
    assert predicted_as_target() > 0.9


def test_warps_are_small_and_differ_by_image() -> None:
    images = BANK.take(np.arange(4)).clone()
    images[:] = images[0]
    warped = warp(images, np.random.default_rng(0))
    assert warped.shape == images.shape
    assert not torch.equal(warped[0], warped[1])
    assert (warped - images).abs().mean() < 0.25
