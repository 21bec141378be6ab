"""What an encoding of updates is, on both sides of the wire."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.manifest import LITTLE_ENDIAN, DType, Manifest, Parameters, Values
from protocol.pieces import Buffer, Pieces, nbytes, whole
from protocol.registry import Registry


class BadFrames(Exception):
    """Frames of the right sizes that are no update; ``reason`` is the one to reject it with."""

    def __init__(self, reason: Literal["malformed", "non_finite"], detail: str) -> None:
        super().__init__(detail)
        self.reason: Literal["malformed", "non_finite"] = reason
        self.detail = detail


class Delta(Protocol):
    """An update as it is on the wire. ``buffers``, one for each dtype of the manifest, decode what is asked
    for of them: nobody needs all values at once."""

    @property
    def buffers(self) -> Sequence[Values]: ...


class Packed(Delta, Protocol):
    """One that can be sent: its bytes, by dtype."""

    def frames(self) -> list[memoryview]: ...


class Encoding(Protocol):
    """How the updates of a federation travel; made for its manifest.

    ``sizes``: bytes of each buffer, one for each dtype; they follow from the manifest alone, and none has
    more than the manifest's or 1 MiB. ``feedback``: whether participants add to an update what was lost of
    the one before.
    """

    @property
    def sizes(self) -> tuple[int, ...]: ...

    @property
    def feedback(self) -> bool: ...

    def encode(self, delta: Parameters) -> Packed:
        """A function of the values alone: asked twice, the same bytes."""
        ...

    def decode(self, buffers: Sequence[Buffer]) -> Delta:
        """View received buffers, whose memory must not change afterwards. What is not finite, or too large,
        may come out of it and is for the reader to refuse.

        Raises ValueError for other sizes, :class:`BadFrames` for what no encoder writes.
        """
        ...


ENCODINGS: Registry[Callable[[Manifest], Encoding]] = Registry("encoding", "federation.encoding")


@dataclass(frozen=True)
class Read:
    """A :class:`Delta` that was received."""

    buffers: tuple[Values, ...]


@dataclass(frozen=True)
class Encoded:
    """A :class:`Packed` that keeps its bytes."""

    raw: tuple[memoryview, ...]
    buffers: tuple[Values, ...]

    def frames(self) -> list[memoryview]:
        return list(self.raw)


def check_sizes(buffers: Sequence[Buffer], sizes: tuple[int, ...]) -> None:
    """Raises ValueError for other sizes."""
    there = tuple(nbytes(buffer) for buffer in buffers)
    if there != sizes:
        raise ValueError(f"buffers of {there} bytes, but the encoding says {sizes}")


def as_it_is(buffer: Buffer, dtype: DType) -> Values:
    """Values that are on the wire as they are."""
    if isinstance(buffer, Pieces):
        return buffer.values(LITTLE_ENDIAN[dtype])
    return np.frombuffer(buffer, LITTLE_ENDIAN[dtype])


class OfFloat32(ABC):
    """Encodes the values that are float32. Others travel as they are: float16 is short already, and who
    wants float64 wants all of it."""

    feedback = False

    def __init__(self, manifest: Manifest, size: int) -> None:
        """``size``: bytes of the frame of float32 values."""
        self._manifest = manifest
        self.sizes = tuple(
            size if dtype == "float32" else exact
            for dtype, exact in zip(manifest.dtypes, manifest.buffer_sizes, strict=True)
        )

    def encode(self, delta: Parameters) -> Encoded:
        exact = zip(self._manifest.dtypes, delta.buffers, delta.frames(), strict=True)
        frames = [self.pack(values).data if dtype == "float32" else frame for dtype, values, frame in exact]
        return Encoded(tuple(frames), self._values(frames))

    def decode(self, buffers: Sequence[Buffer]) -> Read:
        """Raises ValueError for other sizes, :class:`BadFrames` where :meth:`check` does."""
        check_sizes(buffers, self.sizes)
        # In one piece where it has to be looked at as a whole: short as it is, the copy takes little.
        at_hand = [
            whole(buffer) if dtype == "float32" else buffer
            for dtype, buffer in zip(self._manifest.dtypes, buffers, strict=True)
        ]
        for dtype, buffer in zip(self._manifest.dtypes, at_hand, strict=True):
            if dtype == "float32":
                self.check(memoryview(whole(buffer)))
        return Read(self._values(at_hand))

    def _values(self, buffers: Sequence[Buffer]) -> tuple[Values, ...]:
        return tuple(
            self.unpack(memoryview(whole(buffer))) if dtype == "float32" else as_it_is(buffer, dtype)
            for dtype, buffer in zip(self._manifest.dtypes, buffers, strict=True)
        )

    @abstractmethod
    def pack(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """[count] → the bytes of their frame."""

    @abstractmethod
    def unpack(self, frame: memoryview) -> Values:
        """The values of a frame of the right size."""

    def check(self, frame: memoryview) -> None:  # noqa: B027 an encoding in which all bytes mean something
        """Raises :class:`BadFrames` for what :meth:`pack` makes of no finite values."""


def count_of_float32(manifest: Manifest) -> int:
    return sum(spec.count for spec in manifest.parameters if spec.dtype == "float32")
