"""Matching: attention over the support set's features (Vinyals et al., arXiv 1606.04080, eq. 1)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from participant.decisions.base import Decision
from participant.learning.augmentation import warp
from participant.learning.episodes import Episode
from participant.learning.matching import leave_one_out_loss, matching_log_probabilities
from participant.learning.users import Users, pick
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork

WEIGHTS_SPREAD = 0.5  # of log γ: two thirds of the weights lie within a factor of 1.65 of 1


class Matching(Decision):
    """No adaptation and no head: a class is the attention-weighted vote of the support set."""

    adapts = False

    def classify(
        self,
        network: FewShotNetwork,
        episodes: Episode,
        rngs: Sequence[np.random.Generator],
        cancelled: Cancelled,
    ) -> Tensor:
        with torch.no_grad():
            return self.vote([network] * len(rngs), episodes)[None]

    def vote(
        self, networks: Sequence[FewShotNetwork], episodes: Episode, weights: Tensor | None = None
    ) -> Tensor:
        """Log-probabilities [E, Q, way], by features of which each is weighted if ``weights`` [E, 1, F] are
        given."""
        support, query = self.adaptation.features(networks, episodes)
        if weights is not None:
            support, query = support * weights, query * weights
        way = networks[0].head.out_features
        temperature = self.adaptation.temperature
        return matching_log_probabilities(support, episodes.support_labels, query, way, temperature)


class MatchingTuned(Matching):
    """Matching by features that each user weights with a random γ of its own, log-normal around 1; features
    and γ are then fine-tuned on the support set by the leave-one-out matching loss of mini-batches.

    Leaving one out needs two images of a class. In one shot each image of a mini-batch stands beside a copy
    of itself, warped anew in each step.
    """

    adapts = True

    def classify(
        self,
        network: FewShotNetwork,
        episodes: Episode,
        rngs: Sequence[np.random.Generator],
        cancelled: Cancelled,
    ) -> Tensor:
        labels, way = episodes.support_labels, network.head.out_features
        one_shot = labels.shape[1] == len(torch.unique(labels[0]))
        users = _Weighted(network, rngs)

        def loss(rows: Tensor) -> Tensor:
            images, of_images = pick(episodes.support, rows), pick(labels, rows)
            if one_shot:
                warped = torch.stack([warp(own, rng) for own, rng in zip(images, rngs, strict=True)])
                images, of_images = torch.cat([images, warped], dim=1), of_images.repeat(1, 2)
            features = users.features(images) * users.weights
            return leave_one_out_loss(features, of_images, way, self.adaptation.temperature).sum()

        def vote() -> Tensor:
            return self.vote(users.each, episodes, users.weights)

        return self.adaptation.look(users, loss, episodes, rngs, cancelled, vote)


class _Weighted(Users):
    """Users of whom each gives every feature a positive weight of its own."""

    def __init__(self, network: FewShotNetwork, rngs: Sequence[np.random.Generator]) -> None:
        super().__init__(network, len(rngs))
        drawn = np.stack([rng.normal(0.0, WEIGHTS_SPREAD, network.head.in_features) for rng in rngs])
        self.log_weights = nn.Parameter(torch.from_numpy(drawn).to(network.head.weight)[:, None])

    @property
    def weights(self) -> Tensor:
        """[E, 1, F]."""
        return self.log_weights.exp()
