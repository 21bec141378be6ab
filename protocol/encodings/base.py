"""What an encoding of updates is, on both sides of the wire."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.manifest import Manifest, Parameters, Values
from protocol.registry import Registry

Frame = bytes | memoryview


class BadFrames(Exception):
    """Frames of the right sizes that are no update; ``reason`` is the one to reject it with."""

    def __init__(self, reason: Literal["malformed", "non_finite"], detail: str) -> None:
        super().__init__(detail)
        self.reason: Literal["malformed", "non_finite"] = reason
        self.detail = detail


class Delta(Protocol):
    """An update as it is on the wire. ``buffers``, one for each dtype of the manifest, decode what is asked
    for of them: nobody needs all values at once. ``size``: bytes of all frames."""

    @property
    def buffers(self) -> Sequence[Values]: ...

    @property
    def size(self) -> int: ...

    def frames(self) -> list[memoryview]: ...


class Encoding(Protocol):
    """How the updates of a federation travel; made for its manifest.

    ``sizes``: bytes of each frame, one for each dtype; they follow from the manifest alone, and none is
    larger than 1 MiB or the manifest's largest buffer. ``feedback``: whether participants add to an update
    what was lost of the one before.
    """

    @property
    def sizes(self) -> tuple[int, ...]: ...

    @property
    def feedback(self) -> bool: ...

    def encode(self, delta: Parameters) -> Delta:
        """A function of the values alone: asked twice, the same bytes."""
        ...

    def decode(self, frames: Sequence[Frame]) -> Delta:
        """View received frames, whose memory must not change afterwards. What is not finite, or too large,
        may come out of it and is for the reader to refuse.

        Raises ValueError for other sizes, :class:`BadFrames` for what no encoder writes.
        """
        ...


ENCODINGS: Registry[Callable[[Manifest], Encoding]] = Registry("encoding", "federation.encoding")


@dataclass(frozen=True)
class Encoded:
    """A :class:`Delta` that keeps its bytes."""

    raw: tuple[memoryview, ...]
    buffers: tuple[Values, ...]

    @property
    def size(self) -> int:
        return sum(frame.nbytes for frame in self.raw)

    def frames(self) -> list[memoryview]:
        return list(self.raw)


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
        return self._view(
            [self.pack(values).data if dtype == "float32" else frame for dtype, values, frame in exact]
        )

    def decode(self, frames: Sequence[Frame]) -> Encoded:
        """Raises ValueError for other sizes, :class:`BadFrames` where :meth:`check` does."""
        views = [memoryview(frame) for frame in frames]
        sizes = tuple(view.nbytes for view in views)
        if sizes != self.sizes:
            raise ValueError(f"tensor frames of {sizes} bytes, but the encoding says {self.sizes}")
        for dtype, view in zip(self._manifest.dtypes, views, strict=True):
            if dtype == "float32":
                self.check(view)
        return self._view(views)

    def _view(self, frames: list[memoryview]) -> Encoded:
        buffers = tuple(
            self.unpack(frame)
            if dtype == "float32"
            else np.frombuffer(frame, np.dtype(dtype).newbyteorder("<"))
            for dtype, frame in zip(self._manifest.dtypes, frames, strict=True)
        )
        return Encoded(tuple(frames), buffers)

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
