"""Matching: attention over the support set's features (Vinyals et al., arXiv 1606.04080, eq. 1)."""

import numpy as np
import torch
from torch import Tensor

from participant.decisions.base import Decision
from participant.learning.episodes import Episode
from participant.learning.matching import matching_log_probabilities
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork


class Matching(Decision):
    """No adaptation and no head: a class is the attention-weighted vote of the support set."""

    @property
    def steps(self) -> int:
        return 0

    def classify(
        self, network: FewShotNetwork, episode: Episode, rng: np.random.Generator, cancelled: Cancelled
    ) -> Tensor:
        known = len(episode.support)
        with torch.no_grad():
            images = torch.cat([episode.support, episode.query])
            features = network.features(images, self.adaptation.reference(episode))
            return matching_log_probabilities(
                features[:known],
                episode.support_labels,
                features[known:],
                network.head.out_features,
                self.adaptation.temperature,
            )
