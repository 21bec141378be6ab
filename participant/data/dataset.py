"""What every data set becomes once it is read: classes, and their images in one array."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.errors import UsageProblem


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images by class. Raises :class:`ValueError` at construction when the parts do not fit together.

    name: what results made from it are labelled with, for instance ``"strokes"``.
    classes: sorted and unique, for instance ``"Greek/character01"``.
    images: uint8 ``[images, channels, height, width]``; in drawings ink is 255 and paper is 0.
        It may be a private (copy-on-write) map of a cache file, so that processes share its memory.
    offsets: int64 ``[classes + 1]``; class ``c`` has the images ``offsets[c]:offsets[c + 1]``.
    groups: the data set's own published split, a group's name to class names, or None.
    """

    name: str
    classes: tuple[str, ...]
    images: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    groups: Mapping[str, frozenset[str]] | None = None

    def __post_init__(self) -> None:
        if not self.classes or any(a >= b for a, b in zip(self.classes, self.classes[1:], strict=False)):
            raise ValueError(f"{self.name}: classes must be sorted, unique and at least one")
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"{self.name}: images must be uint8 [images, channels, height, width]")
        if self.offsets.dtype != np.int64 or self.offsets.shape != (len(self.classes) + 1,):
            raise ValueError(f"{self.name}: offsets must be int64 [classes + 1]")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.images) or np.any(np.diff(self.offsets) < 1):
            raise ValueError(f"{self.name}: offsets must rise from 0 to the number of images")
        if self.groups is not None and not set().union(*self.groups.values()) <= set(self.classes):
            raise ValueError(f"{self.name}: groups name classes that there are not")

    def of(self, class_name: str) -> NDArray[np.uint8]:
        """The images of a class, a view ``[n, channels, height, width]``. Raises :class:`UsageProblem`."""
        c = bisect_left(self.classes, class_name)
        if c == len(self.classes) or self.classes[c] != class_name:
            raise UsageProblem(
                f"data set {self.name} has no class {class_name!r}; "
                f"it has {len(self.classes)}, from {self.classes[0]!r} to {self.classes[-1]!r}"
            )
        return self.images[self.offsets[c] : self.offsets[c + 1]]
