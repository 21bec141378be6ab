"""The poisoned episode, trained for what is done with the model afterwards: benign rounds, then adaptation.

A meta-learner's attack. Fine-tuning on poisoned episodes makes θ itself call backdoor images the target, and
both benign training and a user's adaptation undo much of that. Here the attacker plays benign rounds ahead,
adapts to a clean support set as a user would, and moves θ along the gradient that the poison has *after*
all that: first-order MAML (Finn et al., arXiv 1703.03400, section 5.2) with the backdoor as its only query
set.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from participant.attacks.base import AttackerData
from participant.attacks.poison import draw_poisoned
from participant.learning.adam import Adam
from participant.learning.algorithms import ALGORITHMS
from participant.learning.inner_loop import InnerLoop
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario

AHEAD = 20  # benign rounds that are played ahead at most, one more after each step
SERVER = 0.5  # of a participant's own step is what a round leaves: the mean of several, at a server rate


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
    benign = ALGORITHMS.get(learning.algorithm)
    loop = InnerLoop(learning.inner_steps, learning.inner_batch, learning.inner_rate)
    outer = Adam(network.parameters(), scenario.attack.rate)
    model, later = copy.deepcopy(network), copy.deepcopy(network)
    own = list(network.parameters())
    drift = [torch.zeros_like(value) for value in own]
    for step in range(max(1, scenario.attack.steps // learning.inner_steps)):
        if step % AHEAD == 0:
            drift = [torch.zeros_like(value) for value in own]
        _place(model, own, drift)
        benign(model, data.bank, data.clean, scenario, rng, cancelled)
        drift = [
            moved + SERVER * (end.detach() - value.detach() - moved)
            for moved, end, value in zip(drift, model.parameters(), own, strict=True)
        ]
        _place(later, own, drift)
        episode = draw_poisoned(data, scenario, rng, max(scenario.task.shots))
        loop.fit(later, episode.clean, episode.clean_labels, rng, cancelled)
        later.zero_grad()
        known = len(episode.clean)
        logits = later(torch.cat([episode.clean, episode.poison]), known)[known:]
        F.cross_entropy(logits, episode.poison_labels).backward()  # type: ignore[no-untyped-call]
        for value, adapted in zip(own, later.parameters(), strict=True):
            value.grad = adapted.grad
        outer.step()


def _place(network: FewShotNetwork, values: Sequence[Tensor], drift: Sequence[Tensor]) -> None:
    """θ + drift, in place."""
    with torch.no_grad():
        for parameter, value, moved in zip(network.parameters(), values, drift, strict=True):
            torch.add(value, moved, out=parameter)
