"""Aggregation rules by name; the first is the mean of the updates, summed exactly, and the server's step.

Each δ is rounded to a grid of 2⁻³⁰ and added in int64. Integer addition commutes, so the model does not
depend on the order of arrival; memory does not grow with the number of participants. With |δ| ≤ 2¹⁷ a
sum of fewer than 2¹⁶ updates cannot overflow (17 + 30 + 16 = 63 bits).
"""

import math
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.errors import RunFailed
from protocol.manifest import Manifest, Parameters
from protocol.registry import Registry

GRID = 2.0**30
LARGEST = 2.0**17
MOST_UPDATES = 2**16 - 1
_CHUNK = 1 << 15  # 256 KiB in float64: scratch and its slice of the sum stay in the cache


class BadValues(Exception):
    """An update that cannot be counted, because of its values; nothing was added."""

    def __init__(self, reason: Literal["non_finite", "out_of_range"], detail: str) -> None:
        super().__init__(detail)
        self.reason: Literal["non_finite", "out_of_range"] = reason
        self.detail = detail


class Aggregation(Protocol):
    """What a rule does with the updates of one attempt of a round, in whatever order they arrive: the same
    updates give the same model, bit for bit. ``count`` is how many were added since the last ``clear``."""

    count: int

    def clear(self) -> None: ...

    def add(self, update: Parameters) -> float:
        """Count one update; returns its L2 norm. Raises :class:`BadValues`, with nothing added."""
        ...

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ_{t+1} from θ_t and η_t. Raises :class:`RunFailed` when it would not be finite."""
        ...


AGGREGATIONS: Registry[Callable[[Manifest], Aggregation]] = Registry("aggregation")


@AGGREGATIONS.register("mean")
class UpdateSum:
    """The mean, from the exact running sum."""

    def __init__(self, manifest: Manifest) -> None:
        self.count = 0
        self._sums = [
            np.zeros(size // np.dtype(dtype).itemsize, dtype=np.int64)
            for size, dtype in zip(manifest.buffer_sizes, manifest.dtypes, strict=True)
        ]
        self._real = np.empty(_CHUNK, dtype=np.float64)
        self._whole = np.empty(_CHUNK, dtype=np.int64)

    def clear(self) -> None:
        self.count = 0
        for total in self._sums:
            total.fill(0)

    def add(self, update: Parameters) -> float:
        """Count one update; returns its L2 norm over all buffers.

        Raises :class:`BadValues`, with nothing added, when a value is NaN, infinite or beyond ±2¹⁷.
        """
        for buffer in update.buffers:
            _check(buffer)
        squares = 0.0
        for total, buffer in zip(self._sums, update.buffers, strict=True):
            for start in range(0, total.size, _CHUNK):
                values = buffer[start : start + _CHUNK]
                real, whole = self._real[: values.size], self._whole[: values.size]
                np.copyto(real, values)
                squares += float(np.dot(real, real))
                np.multiply(real, GRID, out=real)
                np.rint(real, out=real)
                np.copyto(whole, real, casting="unsafe")
                total[start : start + _CHUNK] += whole
        self.count += 1
        return math.sqrt(squares)

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ + rate · mean(δ), computed in float64, in the model's dtypes.

        Raises :class:`RunFailed` when the model would not be finite any more.
        """
        scale = rate / (self.count * GRID)
        buffers = []
        for total, buffer in zip(self._sums, model.buffers, strict=True):
            moved = np.empty_like(buffer)
            for start in range(0, total.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                real = self._real[: total[part].size]
                np.multiply(total[part], scale, out=real)
                real += buffer[part]
                with np.errstate(over="ignore"):
                    moved[part] = real
            if moved.size and not (math.isfinite(moved.min()) and math.isfinite(moved.max())):
                raise RunFailed("the aggregated model is not finite; lower the learning rates or the boost")
            moved.flags.writeable = False
            buffers.append(moved)
        return Parameters(model.manifest, tuple(buffers))


def _check(buffer: NDArray[Any]) -> None:
    # Minimum and maximum are NaN when any value is, so one pass of each finds all that is wrong.
    if buffer.size == 0:
        return
    lowest, highest = float(buffer.min()), float(buffer.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        count = int(buffer.size - np.isfinite(buffer).sum())
        raise BadValues("non_finite", f"{count} values are NaN or infinite")
    largest = max(-lowest, highest)
    if largest > LARGEST:
        raise BadValues("out_of_range", f"a value of magnitude {largest:g} is beyond {LARGEST:g}")
