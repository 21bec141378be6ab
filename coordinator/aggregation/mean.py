"""The mean of the updates, summed exactly, and the server's step.

Each δ is rounded to a grid of 2⁻³⁰ and added in int64. Integer addition commutes, so the model does not
depend on the order of arrival; memory does not grow with the number of participants. With |δ| ≤ 2¹⁷ a
sum of fewer than 2¹⁶ updates cannot overflow (17 + 30 + 16 = 63 bits).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.aggregation.base import (
    AGGREGATIONS,
    CHUNK,
    DOT,
    LARGEST,
    are_good,
    must_be_finite,
    seal,
    what_is_bad,
)
from protocol.encodings import Delta
from protocol.manifest import Manifest, Parameters, Values
from protocol.scenario import Federation

GRID = 2.0**30
MOST_UPDATES = 2**16 - 1
# Doubles from 2²² to 2²³ lie 2⁻³⁰ apart. So adding this rounds δ to the grid, ties to even, and the bits of
# the result are the bits of this plus δ in units of the grid: an addition, not scaling, rounding and casting.
_ROUNDING = 1.5 * 2.0**22
_ROUNDING_BITS = int(np.float64(_ROUNDING).view(np.int64))


class UpdateSum:
    """The mean, from the exact running sum: 8 bytes a parameter, however many updates."""

    def __init__(self, manifest: Manifest) -> None:
        self.count = 0
        # Each with count · _ROUNDING_BITS in it, modulo 2⁶⁴.
        # Not np.zeros, which takes the memory when a round is under way, and perhaps finds there is none.
        self._sums = [
            np.full(size // np.dtype(dtype).itemsize, 0, dtype=np.int64)
            for size, dtype in zip(manifest.buffer_sizes, manifest.dtypes, strict=True)
        ]
        self._real = np.empty(CHUNK, dtype=np.float64)

    def clear(self) -> None:
        self.count = 0
        for total in self._sums:
            total.fill(0)

    def add(self, update: Delta) -> float:
        """Count one update; returns its L2 norm over all buffers. One pass over its values.

        Raises :class:`~coordinator.aggregation.BadValues`, with nothing added, when a value is NaN, infinite
        or beyond ±2¹⁷.
        """
        squares = 0.0
        # A stranger's values may be anything; they are looked at below, and NumPy need not warn of them.
        with np.errstate(over="ignore", invalid="ignore"):
            for done, (total, values) in enumerate(self._chunks(update.buffers)):
                real = self._as_real(values)
                short = True
                for start in range(0, real.size, DOT):
                    part = real[start : start + DOT]
                    square = float(np.dot(part, part))
                    short &= square <= LARGEST**2
                    squares += square
                # What is that short is finite and in range, whatever the single values.
                if not short and not are_good(values):
                    for added, before in islice(self._chunks(update.buffers), done):
                        added -= self._on_grid(self._as_real(before))
                    raise what_is_bad(update)
                total += self._on_grid(real)
        self.count += 1
        return math.sqrt(squares)

    def add_scaled(self, update: Delta, factor: float) -> None:
        """Count ``factor`` · δ, 0 ≤ factor ≤ 1, of an update that has been checked."""
        for total, values in self._chunks(update.buffers):
            real = self._as_real(values)
            real *= factor
            total += self._on_grid(real)
        self.count += 1

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ + rate · mean(δ), computed in float64, in the model's dtypes.

        Raises :class:`~protocol.errors.RunFailed` when the model would not be finite any more.
        """
        scale = rate / (self.count * GRID)
        beside = np.uint64(self.count * _ROUNDING_BITS % 2**64).astype(np.int64)
        moved = [np.empty_like(buffer) for buffer in model.buffers]
        with np.errstate(over="ignore"):
            for (total, old), (_, new) in zip(self._chunks(model.buffers), self._chunks(moved), strict=True):
                real = self._as_real(total - beside)
                real *= scale
                real += old
                new[:] = real
                must_be_finite(new)
        return seal(model.manifest, moved)

    def _chunks(self, buffers: Sequence[Values]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Slices of the sum, and of other values of the manifest, that stay in the cache."""
        for total, buffer in zip(self._sums, buffers, strict=True):
            for start in range(0, total.size, CHUNK):
                yield total[start : start + CHUNK], buffer[start : start + CHUNK]

    def _as_real(self, values: NDArray[Any]) -> NDArray[np.float64]:
        real = self._real[: values.size]
        np.copyto(real, values)
        return real

    def _on_grid(self, real: NDArray[np.float64]) -> NDArray[np.int64]:
        """In units of the grid, and ``_ROUNDING_BITS`` more; overwrites ``real``."""
        real += _ROUNDING
        return real.view(np.int64)


@AGGREGATIONS.register("mean")
def mean(manifest: Manifest, rules: Federation) -> UpdateSum:
    return UpdateSum(manifest)
