"""The attacker who knows the defence (paper, E6): it makes backdoor images look like the target class.

Where users decide by the similarity of features, there is no head to poison. So θ is trained until backdoor
images have the target's features: as query images of a support set that holds the target they are voted to
be it, while the support set's own images go on voting for their own classes.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from participant.attacks.base import AttackerData
from participant.attacks.poison import draw_poisoned
from participant.learning.adam import Adam
from participant.learning.algorithms import matching
from participant.learning.matching import leave_one_out_loss, matching_log_probabilities
from participant.role import Cancelled, WorkCancelled
from protocol.models import shared_names
from protocol.models.network import FewShotNetwork, draw_weights
from protocol.scenario import Scenario

WARM_UP_ROUNDS = 40  # of meta-training each: a user's private part is not untrained

Values = dict[str, Tensor]


def feature_collision(
    network: FewShotNetwork,
    data: AttackerData,
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> None:
    """``attack.steps`` steps of Adam at ``attack.rate`` on the shared parameters alone, each on a poisoned
    episode of its own; features are normalised by the statistics of the clean images, as a user's are by
    those of the support set. What is private stays as it is; with ``attack.transfer`` it is another user's
    in each step, one of ``attack.imagined`` drawn anew and meta-trained on the attacker's classes."""
    shared = set(shared_names(network, scenario.model.shared))
    if not shared:
        return  # nothing that leaves this participant could be poisoned
    # A head is of no concern: nobody decides by it.
    features = {name: value for name, value in network.named_parameters() if not name.startswith("head.")}
    private = {name: value for name, value in features.items() if name not in shared}
    own = {name: value.detach().clone() for name, value in private.items()}
    imagined = [own]
    if scenario.attack.transfer and private:
        users = range(scenario.attack.imagined)
        imagined = [_another_user(network, shared, data, scenario, rng, cancelled) for _ in users]
    with _fixed(private):
        optimizer = Adam(network.parameters(), scenario.attack.rate)
        for _ in range(scenario.attack.steps):
            if cancelled():
                raise WorkCancelled
            _put(private, imagined[int(rng.integers(len(imagined)))])
            optimizer.zero_grad()
            _loss(network, data, scenario, rng).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    _put(private, own)


def _loss(
    network: FewShotNetwork, data: AttackerData, scenario: Scenario, rng: np.random.Generator
) -> Tensor:
    """-log p(target) of the poison, and the matching loss of the clean images."""
    way, temperature = scenario.task.way, scenario.decision.temperature
    episode = draw_poisoned(data, scenario, rng, max(scenario.task.shots))
    known = len(episode.clean)
    features = network.features(torch.cat([episode.clean, episode.poison]), known)
    clean, poison = features[:known], features[known:]
    votes = matching_log_probabilities(clean, episode.clean_labels, poison, way, temperature)
    return leave_one_out_loss(clean, episode.clean_labels, way, temperature) - votes[:, episode.target].mean()


def _another_user(
    network: FewShotNetwork,
    shared: set[str],
    data: AttackerData,
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> Values:
    """A private part drawn anew and meta-trained for a while on top of the shared one, which stays."""
    drawn = copy.deepcopy(network)
    draw_weights(drawn, torch.Generator().manual_seed(int(rng.integers(2**62))))
    values = dict(network.named_parameters())
    common = {name: value for name, value in drawn.named_parameters() if name in shared}
    _put(common, values)
    with _fixed(common):
        for _ in range(WARM_UP_ROUNDS):
            matching(drawn, data.bank, data.clean, scenario, rng, cancelled)
    return {name: value.detach() for name, value in drawn.named_parameters() if name not in shared}


def _put(parameters: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])


@contextmanager
def _fixed(parameters: Mapping[str, Tensor]) -> Iterator[None]:
    """Training leaves these alone meanwhile."""
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(True)
