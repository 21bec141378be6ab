import numpy as np
import torch
from torch.nn import functional as F

from participant.data import Dataset
from participant.learning.algorithms import ALGORITHMS
from participant.learning.episodes import Episode, draw_episode
from participant.learning.images import ImageBank
from participant.learning.matching import leave_one_out_loss
from protocol.models import build_network
from protocol.scenario import parse_scenario
from tests.participant.tiny import CPU, never, tiny_bank, tiny_dataset, tiny_scenario


def test_reptile_starts_its_optimiser_afresh_in_every_episode() -> None:
    scenario, bank, classes = tiny_scenario(), tiny_bank(), tiny_dataset().classes[:5]
    reptile = ALGORITHMS.get("reptile")
    whole = build_network(scenario, "model")
    two = tiny_scenario("learning.episodes=2")
    reptile(whole, bank, classes, two, np.random.default_rng(1), never)
    parts, rng = build_network(scenario, "model"), np.random.default_rng(1)
    for _ in range(2):
        reptile(parts, bank, classes, scenario, rng, never)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, other)


def test_reptile_makes_a_start_from_which_a_new_task_is_learnt_faster() -> None:
    scenario, bank = tiny_scenario("learning.episodes=30"), tiny_bank()
    classes = tiny_dataset().classes
    trained, fresh = build_network(scenario, "model"), build_network(scenario, "model")
    ALGORITHMS.get("reptile")(trained, bank, classes[:20], scenario, np.random.default_rng(1), never)
    losses = [one_step_later(network, bank, list(classes[20:23])) for network in (trained, fresh)]
    assert losses[0] < losses[1]


def test_reptile_takes_all_images_of_a_class_that_has_few() -> None:
    scenario, bank, classes = tiny_scenario(), tiny_bank(), tiny_dataset().classes[:3]
    few = ImageBank(bank.images, {name: bank.members[name][:2] for name in classes})
    network, before = build_network(scenario, "model"), build_network(scenario, "model")
    ALGORITHMS.get("reptile")(network, few, classes, scenario, np.random.default_rng(1), never)
    assert not torch.equal(network.head.weight, before.head.weight)


def one_step_later(network: torch.nn.Module, bank: ImageBank, classes: list[str]) -> float:
    """Loss on a task's query set after one step on its support set."""
    task = draw_episode(np.random.default_rng(2), bank, classes, shots=4, query=8)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.0, 0.999))
    F.cross_entropy(network(task.support), task.support_labels).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    with torch.no_grad():
        return float(F.cross_entropy(network(task.query), task.query_labels))


def test_the_pooled_network_learns_from_colour_images_of_mini_imagenet_size() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 80, (4 * 12, 3, 84, 84), dtype=np.uint8)
    for number in range(4):
        images[number * 12 : (number + 1) * 12, number % 3, 20 * number : 20 * number + 20] += 150
    names = tuple("abcd")
    bank = ImageBank.of(Dataset("colours", names, images, np.arange(5, dtype=np.int64) * 12), names, CPU)
    scenario = parse_scenario(
        "", ["task.dataset=mini_imagenet", "model.name=conv4-pool", "task.way=4", "learning.inner_steps=8"]
    )
    network = build_network(scenario, "model")
    task = draw_episode(np.random.default_rng(3), bank, list(names), shots=10)
    before = loss(network, task)
    ALGORITHMS.get("reptile")(network, bank, names, scenario, np.random.default_rng(1), never)
    assert loss(network, task) < before


def loss(network: torch.nn.Module, task: Episode) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(network(task.support), task.support_labels))


def test_matching_trains_the_features_and_never_a_head() -> None:
    scenario = tiny_scenario("learning.inner_steps=40", "learning.inner_batch=12")
    network, bank = build_network(scenario, "model"), tiny_bank()
    classes = tuple(bank.members)[:8]
    episode = draw_episode(np.random.default_rng(1), bank, classes[:3], shots=4)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}

    def loss() -> float:
        with torch.no_grad():
            features = network.features(episode.support)
            return float(leave_one_out_loss(features, episode.support_labels, 3, 10.0))

    first = loss()
    ALGORITHMS.get("matching")(network, bank, classes, scenario, np.random.default_rng(0), never)
    assert loss() < first / 2
    unchanged = {name for name, value in network.named_parameters() if torch.equal(value, before[name])}
    assert unchanged == {"head.weight", "head.bias"}
