"""mini-ImageNet (Vinyals et al. 2016), split as Ravi and Larochelle 2017: 64, 16, 20 classes of 600."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from participant.data.cache import cached
from participant.data.dataset import Dataset
from participant.data.pictures import Picture, assemble, open_picture, stamp
from participant.data.source import Source, Survey, datasets
from protocol.errors import UsageProblem

LISTS = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}
SIDE = 84
MAX_SIDE = 4096
REMEDY = "mini_imagenet needs images/*.jpg with train.csv, val.csv and test.csv (columns filename,label)"

Split = Mapping[str, Mapping[str, Sequence[Path]]]  # group, class, images


@datasets.register("mini_imagenet")
class MiniImagenet(Source):
    """``images/`` beside ``train.csv``, ``val.csv`` and ``test.csv``, as the community hands it round."""

    def survey(self) -> Survey:
        split = self._split()
        images = sum(len(files) for classes in split.values() for files in classes.values())
        return Survey(str(self.folder), sum(map(len, split.values())), images)

    def load(self) -> Dataset:
        """Images ``[n, 3, 84, 84]``; classes are WordNet ids; groups are train, validation and test."""
        split = self._split()
        groups = {group: frozenset(classes) for group, classes in split.items()}
        files = {name: paths for classes in split.values() for name, paths in classes.items()}
        pictures = {name: [Picture(str(path), path.read_bytes) for path in files[name]] for name in files}
        try:
            key = [groups, *((name, stamp(path)) for name in files for path in files[name])]
        except FileNotFoundError as error:
            raise UsageProblem(f"{error.filename} is listed and missing; {REMEDY}") from error
        return cached(
            "mini_imagenet",
            key,
            lambda: assemble("mini_imagenet", pictures, (3, SIDE, SIDE), _decode, groups),
        )

    def _split(self) -> Split:
        split = {group: _read_list(self.folder, file_name) for group, file_name in LISTS.items()}
        seen: set[str] = set()
        for group, classes in split.items():
            if shared := seen & classes.keys():
                raise UsageProblem(
                    f"{self.folder / LISTS[group]} has the class {min(shared)} of another list; "
                    "the three lists must share no class"
                )
            seen |= classes.keys()
        return split


def _read_list(folder: Path, file_name: str) -> Mapping[str, Sequence[Path]]:
    path = folder / file_name
    if not path.is_file():
        raise UsageProblem(f"no file {path}; {REMEDY}; --data-dir names another place")
    classes: dict[str, list[Path]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not {"filename", "label"} <= set(rows.fieldnames or ()):
                raise UsageProblem(f"{path} has no columns filename and label; {REMEDY}")
            for row in rows:
                name = row["filename"] or ""
                if not row["label"] or Path(name).name != name or not name:
                    raise UsageProblem(
                        f"{path}, line {rows.line_num}: no plain file name and label; {REMEDY}"
                    )
                classes.setdefault(row["label"], []).append(folder / "images" / name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageProblem(f"{path} is not a CSV file ({error}); {REMEDY}") from error
    if not classes:
        raise UsageProblem(f"{path} lists no image; {REMEDY}")
    return classes


def _decode(picture: Picture) -> NDArray[np.uint8]:
    from PIL import ImageOps

    image = open_picture(picture, ("JPEG", "PNG"), MAX_SIDE).convert("RGB")
    return np.asarray(ImageOps.fit(image, (SIDE, SIDE))).transpose(2, 0, 1)
