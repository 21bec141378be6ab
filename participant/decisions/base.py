"""What a decision logic is: from a shared model and a support set to the classes of query images."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from participant.learning.episodes import Episode
from participant.learning.inner_loop import InnerLoop
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork


@dataclass(frozen=True)
class Adaptation:
    """How a user adapts and classifies. Batch statistics come from the support set alone, so that a query
    image is classified without the others; with ``transductive``, from support and query set together."""

    loop: InnerLoop
    temperature: float
    transductive: bool

    def reference(self, episode: Episode) -> int | None:
        """How many images of [support, query] give the batch statistics (None: all)."""
        return None if self.transductive else len(episode.support)


class Decision(ABC):
    """Made once per evaluation; :meth:`classify` is called per episode."""

    def __init__(self, adaptation: Adaptation) -> None:
        self.adaptation = adaptation

    @property
    @abstractmethod
    def steps(self) -> int:
        """Adaptation steps that are really taken, for the journal."""

    @abstractmethod
    def classify(
        self, network: FewShotNetwork, episode: Episode, rng: np.random.Generator, cancelled: Cancelled
    ) -> Tensor:
        """Log-probabilities [Q, way] of the episode's query images. ``network`` holds the shared model; it
        is the caller's scratch copy and may be changed."""
