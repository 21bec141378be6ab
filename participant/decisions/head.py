"""A linear head: the shared one (undefended), or one drawn anew by each user (ablation)."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from participant.decisions.base import Decision
from participant.learning.episodes import Episode
from participant.learning.inner_loop import cross_entropy_of
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork


class Linear(Decision):
    """Fine-tune features and head on the support set (Reptile's own test procedure). The head is the shared
    one, or, where heads are not shared, the one of the participant who measures."""

    keeps_head: ClassVar[bool] = True

    def classify(
        self, network: FewShotNetwork, episode: Episode, rng: np.random.Generator, cancelled: Cancelled
    ) -> Tensor:
        if not self.keeps_head:
            draw_head(network.head, rng)
        known, images = len(episode.support), torch.cat([episode.support, episode.query])

        def predict() -> Tensor:
            logits = network(images, self.adaptation.reference(episode))[known:]
            return F.log_softmax(logits, dim=1)

        loss = cross_entropy_of(network, episode.support, episode.support_labels)
        return self.adaptation.look(self.adaptation.loop.walk(network, loss, known, rng, cancelled), predict)


class FreshHead(Linear):
    """As :class:`Linear`, with a head that the user draws: nothing of the decision is shared."""

    keeps_head = False


def draw_head(head: nn.Linear, rng: np.random.Generator) -> None:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    drawn = torch.empty(head.weight.shape)
    nn.init.xavier_uniform_(drawn, generator=generator)
    with torch.no_grad():
        head.weight.copy_(drawn)
        head.bias.zero_()
