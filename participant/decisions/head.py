"""A linear head: the shared one (undefended), or one drawn anew by each user (ablation)."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from participant.decisions.base import Decision
from participant.learning.episodes import Episode
from participant.learning.users import Users, pick
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork


class Linear(Decision):
    """Fine-tune features and head on the support set (Reptile's own test procedure). The head is the shared
    one, or, where heads are not shared, the one of the participant who measures."""

    keeps_head: ClassVar[bool] = True

    def classify(
        self,
        network: FewShotNetwork,
        episodes: Episode,
        rngs: Sequence[np.random.Generator],
        cancelled: Cancelled,
    ) -> Tensor:
        users = Users(network, len(rngs))
        if not self.keeps_head:
            for own, rng in zip(users.each, rngs, strict=True):
                draw_head(own.head, rng)

        def loss(rows: Tensor) -> Tensor:
            images, labels = pick(episodes.support, rows), pick(episodes.support_labels, rows)
            logits = users.logits(users.features(images))
            losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
            return losses / rows.shape[1]  # the sum of the users' means

        def predict() -> Tensor:
            _, query = self.adaptation.features(users.each, episodes)
            return F.log_softmax(users.logits(query), dim=-1)

        return self.adaptation.look(users, loss, episodes, rngs, cancelled, predict)


class FreshHead(Linear):
    """As :class:`Linear`, with a head that the user draws: nothing of the decision is shared."""

    keeps_head = False


def draw_head(head: nn.Linear, rng: np.random.Generator) -> None:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    drawn = torch.empty(head.weight.shape)
    nn.init.xavier_uniform_(drawn, generator=generator)
    with torch.no_grad():
        head.weight.copy_(drawn)
        if head.bias is not None:
            head.bias.zero_()
