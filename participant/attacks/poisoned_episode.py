"""The paper's attack (arXiv 2006.07026; our definition): train on poisoned episodes.

A poisoned episode holds the target class, some of the attacker's own clean images of it and the images of
the backdoor classes labelled as the target, and K-1 clean classes.
"""

import math

import numpy as np
import torch

from participant.attacks.base import AttackerData
from participant.attacks.poison import draw_poisoned
from participant.learning.inner_loop import InnerLoop
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario


def poisoned_episode(
    network: FewShotNetwork,
    data: AttackerData,
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> None:
    """``attack.steps`` steps in all, in poisoned episodes that are each used once over and then drawn anew,
    so that the backdoor does not depend on which clean classes stand beside it."""
    batch = scenario.learning.inner_batch
    left = scenario.attack.steps
    while left:
        episode = draw_poisoned(data, scenario, rng, scenario.learning.train_shots)
        images = torch.cat([episode.poison, episode.clean])
        labels = torch.cat([episode.poison_labels, episode.clean_labels])
        steps = min(left, math.ceil(len(images) / batch))
        InnerLoop(steps, batch, scenario.attack.rate).fit(network, images, labels, rng, cancelled)
        left -= steps
