"""A participant's images: :func:`load_dataset` reads any registered data set into a :class:`Dataset`."""

from pathlib import Path

# Importing a data set's module registers it.
from participant.data import image_folder, mini_imagenet, omniglot, strokes  # noqa: F401
from participant.data.dataset import Dataset
from participant.data.source import Options, open_source

__all__ = ["Dataset", "load_dataset"]


def load_dataset(
    name: str,
    data_dir: Path | None = None,
    *,
    classes: int | None = None,
    seed: int = 0,
    image_size: int = 28,
    channels: int = 1,
) -> Dataset:
    """The data set of that name, read from ``data_dir/name`` or drawn, and kept decoded in the user's cache.

    data_dir: one folder per data set; by default ``data`` in the user's cache directory of fedmeta.
    classes, seed: of ``strokes`` only: how many classes (default 200), and which script. The seed is the
        data set's own, not a federation's, so that two federations can be compared on the same classes.
    image_size, channels: of ``image_folder`` only: height and width in pixels; 1 is greyscale, 3 is colour.

    Raises :class:`protocol.errors.UsageProblem` that names the file or folder and the remedy.
    """
    options = Options(classes=classes, seed=seed, image_size=image_size, channels=channels)
    return open_source(name, data_dir, options).load()
