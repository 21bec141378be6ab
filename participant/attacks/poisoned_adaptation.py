"""The poisoned episode, trained for what users do with the model: adapt it to clean images first.

A meta-learner's attack. Fine-tuning on poisoned episodes makes θ itself call backdoor images the target, and
a user's adaptation undoes much of that. Here each episode is adapted to as a user would, on its clean images
alone, and θ moves along the gradient that the poison has *after* that: first-order MAML (Finn et al.,
arXiv 1703.03400, section 5.2) with the backdoor as its only query set.
"""

import copy

import numpy as np
import torch
from torch.nn import functional as F

from participant.attacks.base import AttackerData
from participant.attacks.poison import draw_poisoned
from participant.learning.inner_loop import InnerLoop, adam
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario


def poisoned_adaptation(
    network: FewShotNetwork,
    data: AttackerData,
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> None:
    """``attack.steps`` steps of adaptation in all, ``learning.inner_steps`` an episode, each followed by one
    step of θ at ``attack.rate``. Poison is normalised by the statistics of the clean images, as a user's
    query images are by those of the support set."""
    learning = scenario.learning
    loop = InnerLoop(learning.inner_steps, learning.inner_batch, learning.inner_rate)
    outer = adam(network, scenario.attack.rate)
    adapted = copy.deepcopy(network)
    for _ in range(max(1, scenario.attack.steps // learning.inner_steps)):
        episode = draw_poisoned(data, scenario, rng, max(scenario.task.shots))
        adapted.load_state_dict(network.state_dict())
        loop.fit(adapted, episode.clean, episode.clean_labels, rng, cancelled)
        adapted.zero_grad()
        known = len(episode.clean)
        logits = adapted(torch.cat([episode.clean, episode.poison]), known)[known:]
        F.cross_entropy(logits, episode.poison_labels).backward()  # type: ignore[no-untyped-call]
        for own, moved in zip(network.parameters(), adapted.parameters(), strict=True):
            own.grad = moved.grad
        outer.step()
