"""The adaptive attack: what it does to users without a head, and to private parts (which is nothing)."""

import numpy as np
import pytest
import torch
from torch import Tensor

from participant.attacks import ATTACKS, AttackerData
from participant.learning.attack_images import attack_images
from participant.learning.matching import matching_log_probabilities
from protocol.models import build_network, shared_names
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from protocol.split import split_classes
from tests.participant.tiny import never, tiny_bank, tiny_dataset, tiny_scenario

BANK = tiny_bank()
STRONG = ("attack.steps=60", "attack.rate=0.003")


def attacked(scenario: Scenario) -> tuple[AttackerData, FewShotNetwork, dict[str, Tensor]]:
    """The attacker's data, the network that it has trained, and what the network was before."""
    split = split_classes(tiny_dataset().classes, scenario.task.split, scenario.federation.seed)
    data = AttackerData(BANK, split.train, attack_images(scenario, split, BANK))
    network = build_network(scenario, "model")
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    ATTACKS.get("feature_collision")(network, data, scenario, np.random.default_rng(0), never)
    return data, network, before


def matched_with_the_target(network: FewShotNetwork, data: AttackerData, others: tuple[str, ...]) -> float:
    """Share of backdoor images that a user without a head takes for the target class, which is class 0."""
    rows = [data.attack.user_target[:3], *(BANK.members[name][:3] for name in others)]
    support = BANK.take(np.concatenate(rows))
    labels = torch.arange(len(rows)).repeat_interleave(3)
    backdoor = BANK.take(np.concatenate(list(data.attack.attack_train.values())))
    with torch.no_grad():
        features = network.features(torch.cat([support, backdoor]), len(support))
    known = len(support)
    votes = matching_log_probabilities(features[:known], labels, features[known:], len(rows), 10.0)
    return float((votes.argmax(dim=1) == 0).float().mean())


def changed(network: FewShotNetwork, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("transfer", ["false", "true"])
def test_it_takes_over_users_who_have_no_head(transfer: str) -> None:
    scenario = tiny_scenario('model.shared="features"', f"attack.transfer={transfer}", *STRONG)
    data, network, before = attacked(scenario)
    others = data.clean[:2]
    after = matched_with_the_target(network, data, others)
    network.load_state_dict(before)
    assert matched_with_the_target(network, data, others) < 0.5
    assert after > 0.9


@pytest.mark.parametrize("transfer", ["false", "true"])
def test_only_what_is_shared_is_poisoned(transfer: str) -> None:
    scenario = tiny_scenario("model.shared=2", f"attack.transfer={transfer}", "attack.steps=4")
    _, network, before = attacked(scenario)
    assert changed(network, before) == set(shared_names(network, 2))
    assert all(value.requires_grad for value in network.parameters())


def test_a_transferring_attacker_trains_against_others_than_itself() -> None:
    ends = []
    for transfer in ("false", "true"):
        scenario = tiny_scenario("model.shared=2", f"attack.transfer={transfer}", "attack.steps=4")
        ends.append(attacked(scenario)[1].state_dict()["blocks.0.conv.weight"])
    assert not torch.equal(*ends)


def test_where_nothing_is_shared_nothing_can_be_poisoned() -> None:
    _, network, before = attacked(tiny_scenario("model.shared=0"))
    assert not changed(network, before)
