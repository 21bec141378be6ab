"""Buffers on the wire: at most :data:`PIECE` bytes a frame.

libzmq's thread encrypts, decrypts and keeps a frame as a whole, so nobody else is served while it is at a
large one, and each connection would hold a large one of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

PIECE = 2**20  # a multiple of what any dtype takes
Frame = bytes | memoryview


@dataclass(frozen=True)
class Pieces:
    """A buffer of more than one frame, as it came."""

    frames: tuple[memoryview, ...]

    def whole(self) -> memoryview:
        """In one piece: a copy."""
        # bytes.join keeps the interpreter's lock meanwhile, 50 ms for 100 MB; this lets others get on.
        copy = np.concatenate([np.frombuffer(frame, np.uint8) for frame in self.frames])
        copy.flags.writeable = False
        return copy.data

    def values(self, dtype: DTypeLike) -> "PiecedValues":
        """A view of them."""
        return PiecedValues([np.frombuffer(frame, dtype) for frame in self.frames])


Buffer = Frame | Pieces


def cut(buffers: Iterable[Frame]) -> list[memoryview]:
    """The frames of buffers, which view them."""
    frames = []
    for buffer in buffers:
        view = memoryview(buffer)
        frames += [view[at : at + PIECE] for at in range(0, view.nbytes, PIECE)] or [view]
    return frames


def lengths(sizes: Iterable[int]) -> tuple[int, ...]:
    """Bytes of each frame of buffers of these ``sizes``; a buffer of nothing is an empty frame."""
    return tuple(min(PIECE, size - at) for size in sizes for at in range(0, max(1, size), PIECE))


def joined(frames: Sequence[Frame], sizes: Iterable[int]) -> tuple[Buffer, ...]:
    """The buffers of these ``sizes`` in their frames, whose :func:`lengths` are right; no copy."""
    left: Iterator[Frame] = iter(frames)
    counts = (max(1, -(-size // PIECE)) for size in sizes)
    return tuple(
        next(left) if count == 1 else Pieces(tuple(memoryview(frame) for frame in islice(left, count)))
        for count in counts
    )


def whole(buffer: Buffer) -> Frame:
    return buffer.whole() if isinstance(buffer, Pieces) else buffer


def nbytes(buffer: Buffer) -> int:
    frames = buffer.frames if isinstance(buffer, Pieces) else (memoryview(buffer),)
    return sum(frame.nbytes for frame in frames)


class PiecedValues:
    """Values that are not beside each other in memory; what lies within a piece is read without a copy."""

    def __init__(self, pieces: Sequence[NDArray[Any]]) -> None:
        self._pieces = pieces
        self._each = pieces[0].size
        self.size = sum(piece.size for piece in pieces)

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        start, stop, _ = part.indices(self.size)
        first, last = min(start, self.size - 1) // self._each, (stop - 1) // self._each
        before = first * self._each
        pieces = self._pieces[first : max(first, last) + 1]
        at_hand = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return at_hand[start - before : max(start, stop) - before]
