"""Where data sets come from: one :class:`Source` for each, registered by name.

A new data set is one file in this folder that registers a subclass of :class:`Source`, or another
installed package with an entry point in the group ``fedmeta.datasets``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import platformdirs

from participant.data.dataset import Dataset
from protocol.registry import Registry


@dataclass(frozen=True)
class Options:
    """What a data set may be asked for; each reads the ones that concern it."""

    classes: int | None = None  # strokes: how many classes to draw
    seed: int = 0  # strokes: which script to draw
    image_size: int = 28  # image_folder: height and width in pixels
    channels: int = 1  # image_folder: 1 for greyscale, 3 for colour


@dataclass(frozen=True)
class Download:
    """A published file: its address, and the MD5 sum that its publishers or users agree on."""

    url: str
    file_name: str
    md5: str


@dataclass(frozen=True)
class Survey:
    """What is there, found without decoding an image."""

    where: str
    classes: int
    images: int


class Source(ABC):
    """One data set: how it is found and how it is read."""

    downloads: ClassVar[tuple[Download, ...]] = ()

    def __init__(self, folder: Path, options: Options) -> None:
        """``folder`` is the data set's own, ``DATA_DIR/NAME``; it need not exist."""
        self.folder = folder
        self.options = options

    @abstractmethod
    def survey(self) -> Survey:
        """Quickly, what :meth:`load` would read. Raises :class:`UsageProblem` when it is not there."""

    @abstractmethod
    def load(self) -> Dataset:
        """Reads it all. Raises :class:`UsageProblem` that names the file and the remedy."""


datasets: Registry[type[Source]] = Registry("dataset", "task.dataset")


def default_data_dir() -> Path:
    """The folder that holds one folder per data set when none is named."""
    return platformdirs.user_cache_path("fedmeta") / "data"


def open_source(name: str, data_dir: Path | None, options: Options) -> Source:
    """The source of that name in ``data_dir``. Raises :class:`UsageProblem` for a name that is not one."""
    return datasets.get(name)((data_dir or default_data_dir()) / name, options)
