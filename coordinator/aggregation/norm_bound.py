"""The mean of updates none of which is longer than a bound ("norm thresholding", arXiv 1911.07963).

A longer one is scaled down to the bound, not left out: it keeps its direction and its weight of one, so an
honest participant with unusual data still counts, and a boosted attacker counts no more than anybody else.
"""

import statistics

from coordinator.aggregation.base import AGGREGATIONS, Aggregation, KeptUpdates, check
from coordinator.aggregation.mean import UpdateSum
from protocol.encodings import Delta
from protocol.manifest import Manifest, Parameters, norm_of
from protocol.scenario import Federation


class ConstantBound:
    """Scales and adds as updates arrive: the memory of the mean, 8 bytes a parameter."""

    def __init__(self, manifest: Manifest, bound: float) -> None:
        self._bound = bound
        self._sum = UpdateSum(manifest)

    @property
    def count(self) -> int:
        return self._sum.count

    def clear(self) -> None:
        self._sum.clear()

    def add(self, update: Delta) -> float:
        """Count one update; returns its norm as received. Raises
        :class:`~coordinator.aggregation.BadValues`, with nothing added."""
        check(update)
        norm = norm_of(update.buffers)
        self._sum.add_scaled(update, shrinking(norm, self._bound))
        return norm

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ + rate · mean(δ·min(1, bound/‖δ‖))."""
        return self._sum.step(model, rate)


class MedianBound(KeptUpdates):
    """The bound is the median of the round's norms, which is known only when all are there: the memory is
    that of the mean and of the updates."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__()
        self._sum = UpdateSum(manifest)

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ + rate · mean(δ·min(1, bound/‖δ‖)). The bound is a function of the norms as a set and the sum is
        exact, so the order of arrival changes nothing."""
        bound = statistics.median(norm for norm, _ in self.kept)
        self._sum.clear()
        for norm, update in self.kept:
            self._sum.add_scaled(update, shrinking(norm, bound))
        return self._sum.step(model, rate)


def shrinking(norm: float, bound: float) -> float:
    """The factor that brings a longer update to the bound; 1 for one that is not longer."""
    return bound / norm if norm > bound else 1.0


@AGGREGATIONS.register("norm-bound")
def norm_bound(manifest: Manifest, rules: Federation) -> Aggregation:
    bound = rules.norm_bound
    return MedianBound(manifest) if bound == "median" else ConstantBound(manifest, bound)
