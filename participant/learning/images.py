"""Images on the device, as uint8, by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from participant.data import Dataset


@dataclass(frozen=True)
class ImageBank:
    """``images`` is uint8 [N, C, H, W] on the device; ``members`` gives each class's row numbers.

    ``held``: classes of which each training episode shows one, upright (E2's benign participants who hold the
    backdoor class): among all others, turned by chance, it would hardly ever be seen as users see it.
    """

    images: Tensor
    members: dict[str, NDArray[np.int64]]
    held: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, classes: Sequence[str], device: torch.device) -> "ImageBank":
        """Only the images of ``classes``, moved to the device once."""
        arrays = [dataset.of(name) for name in classes]
        ends = np.cumsum([len(array) for array in arrays])
        rows = {
            name: np.arange(end - len(array), end, dtype=np.int64)
            for name, array, end in zip(classes, arrays, ends, strict=True)
        }
        return cls(torch.from_numpy(np.concatenate(arrays)).to(device), rows)

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Float images [n, C, H, W] in 0…1 (ink or light = 1) for row numbers [n]."""
        chosen = self.images[torch.from_numpy(rows).to(self.images.device)]
        return chosen.to(torch.float32).div_(255)
