"""What a decision logic is: from a shared model and a support set to the classes of query images."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from participant.learning.episodes import Episode
from participant.learning.inner_loop import InnerLoop, batches_abreast
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork


@dataclass(frozen=True)
class Adaptation:
    """How a user adapts and classifies: ``steps``, ascending, are the numbers of steps after which it is
    looked at. Batch statistics come from the support set alone, so that a query image is classified without
    the others; with ``transductive``, from support and query set together."""

    steps: tuple[int, ...]
    batch: int
    rate: float
    temperature: float
    transductive: bool

    def features(self, networks: Iterable[FewShotNetwork], episodes: Episode) -> tuple[Tensor, Tensor]:
        """Of support [E, S, F] and query images [E, Q, F], by each user's network. One after the other:
        so many images are work enough."""
        known = episodes.support.shape[1]
        reference = None if self.transductive else known
        everything = torch.cat([episodes.support, episodes.query], dim=1)
        features = torch.stack(
            [own.features(images, reference) for own, images in zip(networks, everything, strict=True)]
        )
        return features[:, :known], features[:, known:]

    def look(
        self,
        users: nn.Module,
        loss: Callable[[Tensor], Tensor],
        episodes: Episode,
        rngs: Sequence[np.random.Generator],
        cancelled: Cancelled,
        classify: Callable[[], Tensor],
    ) -> Tensor:
        """[E, Q, way] of ``classify`` after each of ``steps`` towards a lower ``loss`` of each user's
        mini-batches, given by their rows [E, batch]: [T, E, Q, way]. Raises :class:`WorkCancelled`."""
        most = self.steps[-1]
        batches = batches_abreast(rngs, episodes.support.shape[1], self.batch, most)
        looks = []
        for done in InnerLoop(most, self.batch, self.rate).walk(users, loss, batches, cancelled):
            if done in self.steps:
                with torch.no_grad():
                    looks.append(classify())
        return torch.stack(looks)


class Decision(ABC):
    """Made once per evaluation; :meth:`classify` is called for a few users at a time, by several threads."""

    adapts: ClassVar[bool] = True

    def __init__(self, adaptation: Adaptation) -> None:
        self.adaptation = adaptation

    @property
    def steps(self) -> tuple[int, ...]:
        """The numbers of adaptation steps after which it classifies."""
        return self.adaptation.steps if self.adapts else (0,)

    @abstractmethod
    def classify(
        self,
        network: FewShotNetwork,
        episodes: Episode,
        rngs: Sequence[np.random.Generator],
        cancelled: Cancelled,
    ) -> Tensor:
        """Log-probabilities [T, E, Q, way] of the query images of E users, after each of :attr:`steps`.

        ``episodes`` has the users' in a leading dimension; each draws from its own of ``rngs``. ``network``
        holds the model that they were given: others read it too, so it is not to be changed. Raises
        :class:`participant.role.WorkCancelled`.
        """
