"""Matching: attention over the support set's features (Vinyals et al., arXiv 1606.04080, eq. 1)."""

import numpy as np
import torch
from torch import Tensor, nn

from participant.decisions.base import Decision
from participant.learning.augmentation import warp
from participant.learning.episodes import Episode
from participant.learning.matching import leave_one_out_loss, matching_log_probabilities
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork

WEIGHTS_SPREAD = 0.5  # of log γ: two thirds of the weights lie within a factor of 1.65 of 1


class Matching(Decision):
    """No adaptation and no head: a class is the attention-weighted vote of the support set."""

    adapts = False

    def classify(
        self, network: FewShotNetwork, episode: Episode, rng: np.random.Generator, cancelled: Cancelled
    ) -> Tensor:
        with torch.no_grad():
            return self.vote(network, episode)[None]

    def vote(self, network: FewShotNetwork, episode: Episode, weights: Tensor | None = None) -> Tensor:
        """Log-probabilities [Q, way], by features of which each is weighted if ``weights`` [F] are given."""
        known = len(episode.support)
        images = torch.cat([episode.support, episode.query])
        features = network.features(images, self.adaptation.reference(episode))
        if weights is not None:
            features = features * weights
        return matching_log_probabilities(
            features[:known],
            episode.support_labels,
            features[known:],
            network.head.out_features,
            self.adaptation.temperature,
        )


class MatchingTuned(Matching):
    """Matching by features that each user weights with a random γ of its own, log-normal around 1; features
    and γ are then fine-tuned on the support set by the leave-one-out matching loss of mini-batches.

    Leaving one out needs two images of a class. In one shot each image of a mini-batch stands beside a copy
    of itself, warped anew in each step.
    """

    adapts = True

    def classify(
        self, network: FewShotNetwork, episode: Episode, rng: np.random.Generator, cancelled: Cancelled
    ) -> Tensor:
        images, labels, way = episode.support, episode.support_labels, network.head.out_features
        one_shot = len(labels) == len(torch.unique(labels))
        user = _Weighted(network, rng)

        def loss(rows: Tensor) -> Tensor:
            batch, of_batch = images[rows], labels[rows]
            if one_shot:
                batch, of_batch = torch.cat([batch, warp(batch, rng)]), of_batch.repeat(2)
            return leave_one_out_loss(user(batch), of_batch, way, self.adaptation.temperature)

        walk = self.adaptation.loop.walk(user, loss, len(images), rng, cancelled)
        return self.adaptation.look(walk, lambda: self.vote(network, episode, user.weights))


class _Weighted(nn.Module):
    """A network's features, each times a positive weight of its own."""

    def __init__(self, network: FewShotNetwork, rng: np.random.Generator) -> None:
        super().__init__()
        self.network = network
        drawn = torch.from_numpy(rng.normal(0.0, WEIGHTS_SPREAD, network.head.in_features))
        self.log_weights = nn.Parameter(drawn.to(network.head.weight))

    @property
    def weights(self) -> Tensor:
        return self.log_weights.exp()

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network.features(images) * self.weights
        return features
