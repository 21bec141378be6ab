"""The mean of the updates, summed exactly, and the server's step.

Each δ is rounded to a grid of 2⁻³⁰ and added in int64. Integer addition commutes, so the model does not
depend on the order of arrival; memory does not grow with the number of participants. With |δ| ≤ 2¹⁷ a
sum of fewer than 2¹⁶ updates cannot overflow (17 + 30 + 16 = 63 bits).
"""

import math

import numpy as np

from coordinator.aggregation.base import AGGREGATIONS, CHUNK, check, finite
from protocol.manifest import Manifest, Parameters
from protocol.scenario import Federation

GRID = 2.0**30
MOST_UPDATES = 2**16 - 1


class UpdateSum:
    """The mean, from the exact running sum: 8 bytes a parameter, however many updates."""

    def __init__(self, manifest: Manifest) -> None:
        self.count = 0
        self._sums = [
            np.zeros(size // np.dtype(dtype).itemsize, dtype=np.int64)
            for size, dtype in zip(manifest.buffer_sizes, manifest.dtypes, strict=True)
        ]
        self._real = np.empty(CHUNK, dtype=np.float64)
        self._whole = np.empty(CHUNK, dtype=np.int64)

    def clear(self) -> None:
        self.count = 0
        for total in self._sums:
            total.fill(0)

    def add(self, update: Parameters) -> float:
        """Count one update; returns its L2 norm over all buffers.

        Raises :class:`~coordinator.aggregation.BadValues`, with nothing added, when a value is NaN, infinite
        or beyond ±2¹⁷.
        """
        check(update)
        return self.add_scaled(update, 1.0)

    def add_scaled(self, update: Parameters, factor: float) -> float:
        """Count ``factor`` · δ, 0 ≤ factor ≤ 1, of an update that has been checked; returns the norm of δ."""
        squares = 0.0
        for total, buffer in zip(self._sums, update.buffers, strict=True):
            for start in range(0, total.size, CHUNK):
                values = buffer[start : start + CHUNK]
                real, whole = self._real[: values.size], self._whole[: values.size]
                np.copyto(real, values)
                squares += float(np.dot(real, real))
                np.multiply(real, GRID * factor, out=real)
                np.rint(real, out=real)
                np.copyto(whole, real, casting="unsafe")
                total[start : start + CHUNK] += whole
        self.count += 1
        return math.sqrt(squares)

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ + rate · mean(δ), computed in float64, in the model's dtypes.

        Raises :class:`~protocol.errors.RunFailed` when the model would not be finite any more.
        """
        scale = rate / (self.count * GRID)
        buffers = []
        for total, buffer in zip(self._sums, model.buffers, strict=True):
            moved = np.empty_like(buffer)
            for start in range(0, total.size, CHUNK):
                part = slice(start, start + CHUNK)
                real = self._real[: total[part].size]
                np.multiply(total[part], scale, out=real)
                real += buffer[part]
                with np.errstate(over="ignore"):
                    moved[part] = real
            buffers.append(finite(moved))
        return Parameters(model.manifest, tuple(buffers))


@AGGREGATIONS.register("mean")
def mean(manifest: Manifest, rules: Federation) -> UpdateSum:
    return UpdateSum(manifest)
