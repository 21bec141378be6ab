"""What the tensors of a federation are: names, shapes, dtypes; parameters as one flat buffer per dtype."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

DType = Literal["float16", "float32", "float64"]
Dimension = Annotated[int, Field(ge=0, lt=2**31)]
MAX_PARAMETERS = 2**33
_CHUNK = 1 << 15  # 256 KiB in float64, which stays in the cache
LITTLE_ENDIAN: dict[DType, np.dtype[Any]] = {
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}


class ParameterSpec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=256)]
    shape: Annotated[tuple[Dimension, ...], Field(max_length=8)]
    dtype: DType = "float32"

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class Manifest(BaseModel):
    """The shared parameters in their order; none where each participant trains alone. Travels once, at
    joining; later only its digest is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    parameters: Annotated[tuple[ParameterSpec, ...], Field(max_length=4096), FailFast()]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({spec.name for spec in self.parameters}) != len(self.parameters):
            raise ValueError("two parameters have the same name")
        if sum(spec.count for spec in self.parameters) > MAX_PARAMETERS:
            raise ValueError(f"more than {MAX_PARAMETERS} parameters")
        return self

    # What is asked for with each message is worked out once.

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of names, shapes and dtypes, in hex."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def dtypes(self) -> tuple[DType, ...]:
        """The dtypes there are, sorted by name: the order of the buffers of a message."""
        return tuple(sorted({spec.dtype for spec in self.parameters}))

    @cached_property
    def size(self) -> int:
        """Bytes of all buffers."""
        return sum(self.buffer_sizes)

    @cached_property
    def buffer_sizes(self) -> tuple[int, ...]:
        """Bytes of each buffer, in the order of :attr:`dtypes`."""
        return tuple(
            sum(spec.count for spec in self.parameters if spec.dtype == dtype) * LITTLE_ENDIAN[dtype].itemsize
            for dtype in self.dtypes
        )


class Values(Protocol):
    """Values of one dtype that can be read part by part, without a step: an array, or what an encoding makes
    of its bytes."""

    @property
    def size(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Parameters:
    """Values for a manifest: one flat little-endian array per dtype, in the order of ``manifest.dtypes``.

    Within a buffer the parameters follow each other in the manifest's order, each in C order.
    """

    manifest: Manifest
    buffers: tuple[NDArray[Any], ...]

    @classmethod
    def from_frames(cls, manifest: Manifest, frames: Sequence[memoryview | bytes]) -> Self:
        """View received frames, one for each dtype, as parameters, without a copy.

        The arrays of frames under 8 KiB may be unaligned: libzmq leaves them where they were received.

        Raises ValueError when number or sizes of the frames are not the manifest's.
        """
        sizes = tuple(memoryview(frame).nbytes for frame in frames)
        if sizes != manifest.buffer_sizes:
            raise ValueError(f"tensor frames of {sizes} bytes, but the manifest says {manifest.buffer_sizes}")
        return cls(
            manifest,
            tuple(
                np.frombuffer(frame, dtype=LITTLE_ENDIAN[dtype])
                for frame, dtype in zip(frames, manifest.dtypes, strict=True)
            ),
        )

    @classmethod
    def from_arrays(cls, manifest: Manifest, arrays: dict[str, NDArray[Any]]) -> Self:
        """Pack named arrays; the one copy on the way out."""
        return cls(
            manifest,
            tuple(
                np.concatenate(
                    [
                        np.asarray(arrays[spec.name], dtype=LITTLE_ENDIAN[dtype]).reshape(spec.count)
                        for spec in manifest.parameters
                        if spec.dtype == dtype
                    ]
                )
                for dtype in manifest.dtypes
            ),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Name → a view of its values in its shape."""
        offsets = dict.fromkeys(self.manifest.dtypes, 0)
        by_dtype = dict(zip(self.manifest.dtypes, self.buffers, strict=True))
        views: dict[str, NDArray[Any]] = {}
        for spec in self.manifest.parameters:
            start = offsets[spec.dtype]
            offsets[spec.dtype] = start + spec.count
            views[spec.name] = by_dtype[spec.dtype][start : start + spec.count].reshape(spec.shape)
        return views

    def frames(self) -> list[memoryview]:
        """The buffers as bytes for the wire, without a copy."""
        return [np.ascontiguousarray(buffer).view(np.uint8).data for buffer in self.buffers]

    def norm(self) -> float:
        """As :func:`norm_of`."""
        return norm_of(self.buffers)

    def digest(self) -> str:
        """SHA-256 over the manifest's digest and the buffers, in hex: the model digest of the journal."""
        digest = hashlib.sha256(self.manifest.digest.encode())
        for frame in self.frames():
            digest.update(frame)
        return digest.hexdigest()


def norm_of(buffers: Iterable[Values]) -> float:
    """The L2 norm over all buffers, the same bits on every machine of a kind: NumPy's own pairwise sum,
    since a BLAS dot product of this length depends on the number of its threads."""
    squares = 0.0
    for values in parts(buffers):
        real = values.astype(np.float64)
        squares += float(np.add.reduce(np.square(real, out=real)))
    return math.sqrt(squares)


def parts(buffers: Iterable[Values]) -> Iterator[NDArray[Any]]:
    """All values, as many at a time as stay in the cache."""
    for buffer in buffers:
        for start in range(0, buffer.size, _CHUNK):
            yield buffer[start : start + _CHUNK]
