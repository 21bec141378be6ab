"""Image files to arrays. Pillow is imported when the first one is decoded, so that commands start fast."""

import logging
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from participant.data.dataset import Dataset
from protocol.errors import UsageProblem

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """One image file, not yet read: the name that an error shows, and how to get its bytes."""

    name: str
    read: Callable[[], bytes]


def stamp(file: Path) -> tuple[str, int, int]:
    """What changes when the file does: its path, size in bytes and time of modification in ns."""
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns


def assemble(
    name: str,
    pictures: Mapping[str, Sequence[Picture]],
    shape: tuple[int, int, int],
    decode: Callable[[Picture], NDArray[np.uint8]],
    groups: Mapping[str, frozenset[str]] | None = None,
) -> Dataset:
    """Decodes every picture of every class into one array; ``shape`` is (channels, height, width) of each."""
    classes = tuple(sorted(pictures))
    offsets = np.cumsum([0, *(len(pictures[c]) for c in classes)], dtype=np.int64)
    images = np.empty((int(offsets[-1]), *shape), np.uint8)
    log.info("decoding %d images of %s; the next time they come from the cache", len(images), name)
    every = (picture for c in classes for picture in pictures[c])
    for i, picture in enumerate(every):
        images[i] = decode(picture)
    return Dataset(name=name, classes=classes, images=images, offsets=offsets, groups=groups)


def open_picture(picture: Picture, formats: tuple[str, ...], max_side: int) -> "Image.Image":
    """The decoded image. Raises :class:`UsageProblem` that names the file when it is broken or too large.

    ``formats`` are Pillow's names of the ones allowed; ``max_side`` is the largest width or height in pixels.
    """
    from PIL import Image

    try:
        image = Image.open(BytesIO(picture.read()), formats=formats)
        if max(image.size) > max_side:
            raise UsageProblem(
                f"{picture.name} is {image.width}x{image.height} pixels, more than the {max_side} allowed; "
                "remove it or make it smaller"
            )
        image.load()
    # Pillow's decoders raise all of these for damaged files; a damaged PNG header is a SyntaxError.
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise UsageProblem(
            f"{picture.name} is not a readable {' or '.join(formats)} image ({error}); replace or remove it"
        ) from error
    return image
