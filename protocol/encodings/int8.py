"""Eight bits a value, and a scale for each block of them: a quarter of the bytes.

A block is at most 1024 neighbouring values of one parameter, and its scale 1/127 of the largest magnitude in
it. So the error of a value is at most 1/254 of the largest in its block, and an outlier costs its own block
alone: with one scale for a parameter, a single large value would turn all others of it to zero. Blocks end
with their parameter, since a bias may be a thousand times smaller than the weights beside it. The
scales take 0.4 % of the frame.

Rounded to nearest, ties to even: no randomness, the same bytes each time. What that loses, participants add
to their next update ("error feedback": Seide et al., Interspeech 2014; Karimireddy et al., arXiv 1901.09847),
so that over the rounds nothing is lost but the last remainder.
"""

import numpy as np
from numpy.typing import NDArray

from protocol.encodings.base import ENCODINGS, BadFrames, OfFloat32, count_of_float32
from protocol.manifest import Manifest

BLOCK = 1024
LEVELS = 127  # −128 is never written, so that the range is the same on both sides
_BLOCKS_AT_ONCE = 16  # 64 KiB of values, that stay in the cache with what is made of them
# The smallest normal number. A smaller scale would have few bits itself, or none.
_SMALLEST = np.float32(2.0**-126)


@ENCODINGS.register("int8")
class Int8(OfFloat32):
    feedback = True

    def __init__(self, manifest: Manifest) -> None:
        self._edges = block_edges(manifest)
        self._blocks = self._edges.size - 1
        super().__init__(manifest, 4 * self._blocks + count_of_float32(manifest))

    def pack(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        frame = np.empty(4 * self._blocks + values.size, np.uint8)
        scales, units = self._parts(frame)
        # Of values that are not finite the scale says so, whatever their units are.
        with np.errstate(invalid="ignore"):
            for first in range(0, self._blocks, _BLOCKS_AT_ONCE):
                edges = self._edges[first : first + _BLOCKS_AT_ONCE + 1]
                part = values[edges[0] : edges[-1]]
                largest = np.maximum.reduceat(np.abs(part), edges[:-1] - edges[0])
                scale = np.maximum(largest / np.float32(LEVELS), _SMALLEST)
                scales[first : first + scale.size] = scale
                units[edges[0] : edges[-1]] = np.rint(part / np.repeat(scale, np.diff(edges)))
        return frame

    def unpack(self, frame: memoryview) -> "Blocks":
        scales, units = self._parts(np.frombuffer(frame, np.uint8))
        return Blocks(units, scales, self._edges)

    def check(self, frame: memoryview) -> None:
        scales, units = self._parts(np.frombuffer(frame, np.uint8))
        if not np.isfinite(scales).all():
            raise BadFrames("non_finite", "a scale is NaN or infinite, as values of its block were")
        if scales.size and not scales.min() > 0:
            raise BadFrames("malformed", f"a scale is {scales.min():g}, and has to be above 0")
        if units.size and units.min() < -LEVELS:
            raise BadFrames("malformed", f"a value of -128 units; they go from -{LEVELS} to {LEVELS}")

    def _parts(self, frame: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        at = 4 * self._blocks
        return frame[:at].view("<f4"), frame[at:].view(np.int8)


class Blocks:
    """Values from units and scales, as many at a time as are asked for. ``edges``: where each block begins,
    and where the last one ends."""

    def __init__(
        self, units: NDArray[np.int8], scales: NDArray[np.float32], edges: NDArray[np.int64]
    ) -> None:
        self._units = units
        self._scales = scales
        self._edges = edges

    @property
    def size(self) -> int:
        return self._units.size

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        start, stop, _ = part.indices(self.size)
        first = np.searchsorted(self._edges, start, "right") - 1
        last = np.searchsorted(self._edges, stop, "left")
        lengths = np.diff(self._edges[first : last + 1].clip(start, stop))
        with np.errstate(over="ignore"):  # a stranger's scale may be anything
            scales = np.repeat(self._scales[first:last], lengths)
            return np.multiply(self._units[start:stop], scales, dtype=np.float32)


def block_edges(manifest: Manifest) -> NDArray[np.int64]:
    """Where each block of the float32 buffer begins, in values, and where the last one ends."""
    edges, at = [np.zeros(1, np.int64)], 0
    for spec in manifest.parameters:
        if spec.dtype == "float32" and spec.count:
            edges.append(np.minimum(np.arange(at + BLOCK, at + spec.count + BLOCK, BLOCK), at + spec.count))
            at += spec.count
    return np.concatenate(edges)
