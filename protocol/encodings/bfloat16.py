"""bfloat16, the upper half of a float32: half the bytes, the same range, a relative error of at most 2⁻⁸.

Nothing is fed back: the error of each value is as likely up as down, and small beside the value itself.
"""

import numpy as np
from numpy.typing import NDArray

from protocol.encodings.base import ENCODINGS, OfFloat32, count_of_float32
from protocol.manifest import Manifest

_CHUNK = 1 << 14  # values, that stay in the cache with what is made of them
_NAN = 0x7FC0


@ENCODINGS.register("bfloat16")
class BFloat16(OfFloat32):
    def __init__(self, manifest: Manifest) -> None:
        super().__init__(manifest, 2 * count_of_float32(manifest))

    def pack(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        halves = np.empty(values.size, "<u2")
        for start in range(0, values.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            halves[part] = rounded(values[part])
        return halves.view(np.uint8)

    def unpack(self, frame: memoryview) -> "Halves":
        return Halves(np.frombuffer(frame, "<u2"))


class Halves:
    """Values from their upper halves, as many at a time as are asked for."""

    def __init__(self, halves: NDArray[np.uint16]) -> None:
        self._halves = halves

    @property
    def size(self) -> int:
        return self._halves.size

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        bits = self._halves[part].astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)


def rounded(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The upper halves, rounded to nearest, ties to even. What is beyond the largest becomes infinite."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    halves = bits + (np.uint32(0x7FFF) + ((bits >> 16) & 1))  # carries into the exponent as it should
    halves >>= 16
    nan = np.isnan(values)
    if nan.any():
        halves[nan] = _NAN  # a carry would make a number of it
    return halves
