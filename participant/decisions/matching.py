"""Matching: attention over the support set's features (Vinyals et al., arXiv 1606.04080, eq. 1)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from participant.decisions.base import Decision
from participant.learning.episodes import Episode
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


def matching_log_probabilities(
    support: Tensor, labels: Tensor, query: Tensor, way: int, temperature: float
) -> Tensor:
    """log p(c) = logsumexp over the support of class c - logsumexp over all, of temperature · cosine.

    support [S, F], labels [S], query [Q, F] → [Q, way]; a class without support has -inf.
    """
    similarity = temperature * F.normalize(query, dim=1) @ F.normalize(support, dim=1).T
    of_class = labels[None, :] == torch.arange(way, device=labels.device)[:, None]
    votes = torch.where(of_class[None], similarity[:, None, :], -torch.inf)
    return torch.logsumexp(votes, dim=2) - torch.logsumexp(similarity, dim=1, keepdim=True)
