"""What a decision logic is: from a shared model and a support set to the classes of query images."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from participant.learning.episodes import Episode
from participant.learning.inner_loop import InnerLoop
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

    @property
    def loop(self) -> InnerLoop:
        return InnerLoop(self.steps[-1], self.batch, self.rate)

    def reference(self, episode: Episode) -> int | None:
        """How many images of [support, query] give the batch statistics (None: all)."""
        return None if self.transductive else len(episode.support)

    def look(self, walk: Iterator[int], classify: Callable[[], Tensor]) -> Tensor:
        """[Q, way] of ``classify`` after each of ``steps`` of the walk: [T, Q, way]."""
        looks = []
        for done in walk:
            if done in self.steps:
                with torch.no_grad():
                    looks.append(classify())
        return torch.stack(looks)


class Decision(ABC):
    """Made once per evaluation; :meth:`classify` is called per episode, from several threads."""

    adapts: ClassVar[bool] = True

    def __init__(self, adaptation: Adaptation) -> None:
        self.adaptation = adaptation

    @property
    def steps(self) -> tuple[int, ...]:
        """The numbers of adaptation steps after which it classifies."""
        return self.adaptation.steps if self.adapts else (0,)

    @abstractmethod
    def classify(
        self, network: FewShotNetwork, episode: Episode, rng: np.random.Generator, cancelled: Cancelled
    ) -> Tensor:
        """Log-probabilities [T, Q, way] of the episode's query images, after each of :attr:`steps`.
        ``network`` holds the model that this user was given; it is the caller's scratch copy and may be
        changed. Raises :class:`participant.role.WorkCancelled`."""
