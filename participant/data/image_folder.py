"""A user's own images: ``DATA_DIR/image_folder/CLASS/*``, a directory per class."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from participant.data.cache import cached
from participant.data.dataset import Dataset
from participant.data.pictures import Picture, assemble, open_picture, stamp
from participant.data.source import Source, Survey, datasets
from protocol.errors import UsageProblem

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
MAX_SIDE = 16384  # a user's own photographs; more is a mistake, and would fill the memory
MIN_IMAGES = 2  # one to learn from and one to be tested on


@datasets.register("image_folder")
class ImageFolder(Source):
    """Images cut to a square at their middle and resized to ``image_size``, in ``channels``."""

    def survey(self) -> Survey:
        files = self._files()
        return Survey(str(self.folder), len(files), sum(map(len, files.values())))

    def load(self) -> Dataset:
        """Images ``[n, channels, image_size, image_size]``; classes are the directories' names."""
        size, channels = self.options.image_size, self.options.channels
        if channels not in (1, 3):
            raise UsageProblem(f"image_folder: channels is 1 (grey) or 3 (colour), not {channels}")
        if not 4 <= size <= 1024:
            raise UsageProblem(f"image_folder: image_size is from 4 to 1024 pixels, not {size}")
        files = self._files()
        pictures = {name: [Picture(str(file), file.read_bytes) for file in files[name]] for name in files}
        decode = partial(_decode, size=size, channels=channels)
        key = [size, channels, *(stamp(file) for name in files for file in files[name])]
        return cached(
            "image_folder", key, lambda: assemble("image_folder", pictures, (channels, size, size), decode)
        )

    def _files(self) -> Mapping[str, Sequence[Path]]:
        if not self.folder.is_dir():
            raise UsageProblem(
                f"no folder {self.folder}: put a directory of images there for each class, "
                "or name another place with --data-dir (the parent of image_folder)"
            )
        folders = [path for path in sorted(self.folder.iterdir()) if path.is_dir() and path.name[0] != "."]
        if not folders:
            raise UsageProblem(f"{self.folder} is empty: put a directory of images there for each class")
        files: dict[str, Sequence[Path]] = {}
        for folder in folders:
            files[folder.name] = images = [
                file
                for file in sorted(folder.iterdir())
                if file.suffix.lower() in SUFFIXES and file.name[0] != "."
            ]
            if len(images) < MIN_IMAGES:
                raise UsageProblem(
                    f"the class {folder.name} in {folder} has {len(images)} images ({', '.join(SUFFIXES)}); "
                    f"it needs {MIN_IMAGES} or more, or remove it"
                )
        return files


def _decode(picture: Picture, size: int, channels: int) -> NDArray[np.uint8]:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(open_picture(picture, FORMATS, MAX_SIDE))
    image = ImageOps.fit(image.convert("L" if channels == 1 else "RGB"), (size, size))
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)
