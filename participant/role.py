"""What a participant does when it is asked: the interface behind which the roles differ."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from protocol.manifest import Manifest, Parameters
from protocol.messages import Evaluate, Measurement, Share, Train
from protocol.split import ClassSplit

Cancelled = Callable[[], bool]
ALONE = Share(index=0, count=1)  # an attacker without accomplices


class WorkCancelled(Exception):
    """Raised out of :class:`Role`'s methods once ``cancelled()`` is true; nothing was kept."""


class Role(ABC):
    """Built once the scenario is known; called from one thread, one order at a time."""

    manifest: Manifest
    split: ClassSplit

    @abstractmethod
    def train(self, order: Train, start: Parameters, cancelled: Cancelled) -> Parameters:
        """δ = θ_i − θ_t of one round, from θ_t = ``start``. A function of the scenario, the order, ``start``
        and what this participant kept in round ``order.previous``; asked twice, it answers the same."""

    @abstractmethod
    def evaluate(self, order: Evaluate, model: Parameters, cancelled: Cancelled) -> tuple[Measurement, ...]:
        """Measure the model after ``order.round``: a function of the scenario, the data, the order, ``model``
        and, unless this is an auditor, what this participant kept in round ``order.previous``. It changes
        nothing for the rounds that follow."""
