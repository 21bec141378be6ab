"""Omniglot (Lake, Salakhutdinov, Tenenbaum, Science 2015): 1,623 characters, 20 drawings each."""

import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from participant.data.cache import cached
from participant.data.dataset import Dataset
from participant.data.pictures import Picture, assemble, open_picture, stamp
from participant.data.source import Download, Source, Survey, datasets
from protocol.errors import UsageProblem

PARTS = ("images_background", "images_evaluation")
SMALL_PARTS = ("images_background_small1", "images_background_small2")  # both lie within images_background
PUBLISHED = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
SIDE = 28
# The published drawings are 105x105 and some 300 bytes; anything far larger is not one of them.
MAX_BYTES = 2**20
MAX_SIDE = 4096

# What zipfile raises for damaged files, found by changing bytes at random. RuntimeError: marked as
# encrypted, or (NotImplementedError) as made by a newer version. ValueError: names that are not text,
# places before the start.
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)

Characters = Mapping[str, Sequence[Picture]]


@datasets.register("omniglot")
class Omniglot(Source):
    """The published zips, or the folders unpacked from them, whichever of the parts are there."""

    # The sums are those that torchvision checks.
    downloads = (
        Download(
            f"{PUBLISHED}images_background.zip", "images_background.zip", "68d2efa1b9178cc56df9314c21c6e718"
        ),
        Download(
            f"{PUBLISHED}images_evaluation.zip", "images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811"
        ),
    )

    def survey(self) -> Survey:
        characters = self._characters()
        where = ", ".join(str(part) for part in self._parts())
        return Survey(where, len(characters), sum(map(len, characters.values())))

    def load(self) -> Dataset:
        """Images ``[n, 1, 28, 28]``, ink 255; classes ``"ALPHABET/characterNN"``."""
        stamps = [stamp(file) for part in self._parts() for file in _files(part)]
        return cached(
            "omniglot", stamps, lambda: assemble("omniglot", self._characters(), (1, SIDE, SIDE), _decode)
        )

    def _parts(self) -> list[Path]:
        found = {part: path for part in (*PARTS, *SMALL_PARTS) if (path := self._find(part)) is not None}
        if not found:
            looked_for = ", ".join(f"{part}.zip" for part in (*PARTS, *SMALL_PARTS))
            raise UsageProblem(
                f"no Omniglot in {self.folder}: looked for {looked_for}, or folders unpacked from them; "
                "`fedmeta data fetch omniglot` downloads them, --data-dir names another place"
            )
        if PARTS[0] in found:
            return [found[part] for part in PARTS if part in found]
        return list(found.values())

    def _find(self, part: str) -> Path | None:
        candidates = (self.folder / f"{part}.zip", self.folder / part)
        return next((path for path in candidates if path.exists()), None)

    def _characters(self) -> Characters:
        characters: dict[str, Sequence[Picture]] = {}
        for part in self._parts():
            found = _in_folder(part) if part.is_dir() else _in_zip(part)
            if not found:
                raise UsageProblem(f"{part} holds no drawings (ALPHABET/characterNN/*.png); {_remedy(part)}")
            for name, drawings in found.items():
                if not drawings:
                    raise UsageProblem(f"{part} has no drawings of the class {name}; {_remedy(part)}")
                # The two small parts share some alphabets, with the same drawings.
                characters.setdefault(name, drawings)
        return characters


def _in_folder(part: Path) -> Characters:
    characters: dict[str, list[Picture]] = {}
    for character in sorted(part.glob("*/*/")):
        if not character.is_dir() or character.name.startswith("."):
            continue
        files = sorted(character.glob("[!.]*.png"))
        characters[f"{character.parent.name}/{character.name}"] = [
            Picture(str(file), partial(_read_file, file)) for file in files
        ]
    return characters


def _in_zip(part: Path) -> Characters:
    """The drawings by class; a class that has a directory in the zip and no drawing gets an empty list."""
    characters: dict[str, list[Picture]] = {}
    try:
        archive = zipfile.ZipFile(part)  # the pictures hold it open; it closes itself with the last of them
    except BROKEN_ZIP as error:
        raise UsageProblem(f"{part} is not a whole zip file ({error}); {_remedy(part)}") from error
    for member in sorted(archive.infolist(), key=lambda member: member.filename):
        if not member.filename.isprintable():
            raise UsageProblem(f"{part} has a damaged list of files; {_remedy(part)}")
        steps = PurePosixPath(member.filename).parts  # images_background, ALPHABET, characterNN, 0001_01.png
        if len(steps) != (3 if member.is_dir() else 4) or steps[0] == "__MACOSX":
            continue
        drawings = characters.setdefault(f"{steps[1]}/{steps[2]}", [])
        if steps[-1].endswith(".png") and not steps[-1].startswith("."):
            drawings.append(Picture(f"{part}:{member.filename}", partial(_read_member, archive, member)))
    return characters


def _read_file(file: Path) -> bytes:
    _refuse_large(str(file), file.stat().st_size)
    return file.read_bytes()


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    part = Path(archive.filename or "")
    _refuse_large(f"{part}:{member.filename}", member.file_size)
    try:
        return archive.read(member)
    except BROKEN_ZIP as error:
        raise UsageProblem(f"{part}:{member.filename} cannot be read ({error}); {_remedy(part)}") from error


def _refuse_large(name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise UsageProblem(f"{name} is {size:,} bytes, and no drawing of Omniglot is; remove or replace it")


def _remedy(part: Path) -> str:
    if part.stem in PARTS:
        return f"remove {part} and run `fedmeta data fetch omniglot`"
    return "remove it and put the published one in its place"


def _files(part: Path) -> list[Path]:
    return sorted(part.glob("*/*/*.png")) if part.is_dir() else [part]


def _decode(picture: Picture) -> NDArray[np.uint8]:
    """A drawing, ``[1, 28, 28]``. Published: black ink on white, 105x105, one bit a pixel."""
    from PIL import Image, ImageOps

    image = ImageOps.invert(open_picture(picture, ("PNG",), MAX_SIDE).convert("L"))
    # Lanczos keeps strokes, under one pixel wide at this size, darker than a box or triangle filter does.
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))[None]
