"""The inner loop: a few steps of Adam on mini-batches of one labelled set (arXiv 1803.02999, section 6).

The same steps serve a participant's round, a user's adaptation, and the attacker.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from participant.learning.adam import Adam
from participant.role import Cancelled, WorkCancelled
from protocol.models.network import FewShotNetwork


@dataclass(frozen=True)
class InnerLoop:
    """Adam with β1 = 0 (Reptile's), its state fresh each time; ``batch`` images a step."""

    steps: int
    batch: int
    rate: float

    def fit(
        self,
        network: FewShotNetwork,
        images: Tensor,
        labels: Tensor,
        rng: np.random.Generator,
        cancelled: Cancelled,
    ) -> None:
        """Train the network in place on images [n, C, H, W] and labels [n] with cross-entropy. A mini-batch
        is normalised by its own statistics, so a prediction in training sees the other images of its batch.

        Raises :class:`WorkCancelled`.
        """

        def loss(rows: Tensor) -> Tensor:
            return F.cross_entropy(network(images[rows]), labels[rows])

        self.run(network, loss, len(images), rng, cancelled)

    def run(
        self,
        network: nn.Module,
        loss: Callable[[Tensor], Tensor],
        count: int,
        rng: np.random.Generator,
        cancelled: Cancelled,
    ) -> None:
        """Train the network in place to a lower ``loss`` of mini-batches: row numbers [batch] of ``count``.

        Raises :class:`WorkCancelled`.
        """
        for _ in self.walk(network, loss, mini_batches(rng, count, self.batch, self.steps), cancelled):
            pass

    def walk(
        self,
        network: nn.Module,
        loss: Callable[[Tensor], Tensor],
        batches: Iterable[NDArray[np.int64]],
        cancelled: Cancelled,
    ) -> Iterator[int]:
        """As :meth:`run`, a step for each of ``batches``: yields 0, 1, … while the network is as that many
        steps leave it. The way is the same however often it is looked at and however far it leads."""
        optimizer = Adam(network.parameters(), self.rate)
        yield 0
        for done, rows in enumerate(batches, start=1):
            if cancelled():
                raise WorkCancelled
            optimizer.zero_grad()
            loss(torch.from_numpy(rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield done


def mini_batches(rng: np.random.Generator, count: int, batch: int, steps: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers for each step: a random order of all, then another, cut into batches, so that each image
    is used equally often. A batch is never larger than ``count``."""
    size = min(batch, count)
    rows = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        if len(rows) < size:
            rows = np.concatenate([rows, rng.permutation(count)])
        yield rows[:size]
        rows = rows[size:]


def batches_abreast(
    rngs: Sequence[np.random.Generator], count: int, batch: int, steps: int
) -> Iterator[NDArray[np.int64]]:
    """:func:`mini_batches` of several users, each with a generator of its own: rows [E, batch]."""
    return map(np.stack, zip(*(mini_batches(rng, count, batch, steps) for rng in rngs), strict=True))
