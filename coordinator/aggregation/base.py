"""What every aggregation rule is, what it refuses, and helpers that they share."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.encodings import Delta
from protocol.errors import RunFailed
from protocol.manifest import Manifest, Parameters, norm_of, parts
from protocol.registry import Registry
from protocol.scenario import Federation

LARGEST = 2.0**17
# 256 KiB in float64: scratch and its slice of the sum stay in the cache. Of half as many values the calls
# themselves cost a tenth more, of a quarter as many a third.
CHUNK = 1 << 15
# A dot product of more than 10,000 values is shared out to threads by OpenBLAS, which wait for each other
# wherever a core is busy.
DOT = 1 << 13


class BadValues(Exception):
    """An update that cannot be counted, because of its values; nothing was added."""

    def __init__(self, reason: Literal["non_finite", "out_of_range"], detail: str) -> None:
        super().__init__(detail)
        self.reason: Literal["non_finite", "out_of_range"] = reason
        self.detail = detail


class Aggregation(Protocol):
    """What a rule does with the updates of one attempt of a round, in whatever order they arrive: the same
    updates give the same model, bit for bit. ``count`` is how many were added since the last ``clear``.

    No rule is told who is malicious, or how many are.
    """

    @property
    def count(self) -> int: ...

    def clear(self) -> None: ...

    def add(self, update: Delta) -> float:
        """Count one update, whose values must not change afterwards; returns its L2 norm as received, also
        where the rule counts less of it. Raises :class:`BadValues`, with nothing added."""
        ...

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ_{t+1} from θ_t and η_t. Raises :class:`RunFailed` when it would not be finite."""
        ...


AGGREGATIONS: Registry[Callable[[Manifest, Federation], Aggregation]] = Registry(
    "aggregation", "federation.aggregation"
)


def check(update: Delta) -> None:
    """Raises :class:`BadValues` when a value is NaN, infinite or beyond ±2¹⁷."""
    if not all(are_good(values) for values in parts(update.buffers)):
        raise what_is_bad(update)


def are_good(values: NDArray[Any]) -> bool:
    # Minimum and maximum are NaN when any value is, so one pass of each finds all that is wrong.
    return values.size == 0 or (float(values.min()) >= -LARGEST and float(values.max()) <= LARGEST)


def what_is_bad(update: Delta) -> BadValues:
    """Of an update that has bad values, which are so; what is not finite comes first."""
    unfit = sum(int(values.size - np.isfinite(values).sum()) for values in parts(update.buffers))
    if unfit:
        return BadValues("non_finite", f"{unfit} values are NaN or infinite")
    largest = max(float(np.abs(values).max()) for values in parts(update.buffers))
    return BadValues("out_of_range", f"a value of magnitude {largest:g} is beyond {LARGEST:g}")


class KeptUpdates:
    """For rules that need all updates of a round at once: with their norms, the memory of their frames."""

    def __init__(self) -> None:
        self.kept: list[tuple[float, Delta]] = []

    @property
    def count(self) -> int:
        return len(self.kept)

    def clear(self) -> None:
        self.kept.clear()

    def add(self, update: Delta) -> float:
        """Keep one update; returns its L2 norm as received. Raises :class:`BadValues`, with nothing kept."""
        check(update)
        norm = norm_of(update.buffers)
        self.kept.append((norm, update))
        return norm


def seal(model: Manifest, buffers: Iterable[NDArray[Any]]) -> Parameters:
    """A new model, which is on the wire and on its way to the disk from now on."""
    sealed = tuple(buffers)
    for buffer in sealed:
        buffer.flags.writeable = False
    return Parameters(model, sealed)


def must_be_finite(values: NDArray[Any]) -> None:
    """Of a new model. Raises :class:`RunFailed`."""
    if values.size and not (math.isfinite(values.min()) and math.isfinite(values.max())):
        raise RunFailed("the aggregated model is not finite; lower the learning rates or the boost")
