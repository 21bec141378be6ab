"""A sheet of classes and their images, to look at a data set before anything is learned from it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from participant.data.dataset import Dataset

if TYPE_CHECKING:
    from PIL import Image

CELL = 56  # least side of an image on the sheet, pixels
GAP = 2
NAME_HEIGHT = 14


def draw_sheet(dataset: Dataset, classes: Sequence[str], drawings: int) -> "Image.Image":
    """A row for each class, its name above its first ``drawings`` images, as a network sees them."""
    from PIL import Image, ImageDraw

    height, width = dataset.images.shape[2:]
    zoom = max(1, CELL // max(height, width))
    row_height, column_width = height * zoom + NAME_HEIGHT + GAP, width * zoom + GAP
    sheet = Image.new("RGB", (GAP + drawings * column_width, GAP + len(classes) * row_height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(classes):
        top = GAP + row * row_height
        # Pillow's built-in font knows Latin letters alone.
        pen.text((GAP, top), name.encode("latin-1", "replace").decode("latin-1"), fill="black")
        for column, image in enumerate(dataset.of(name)[:drawings]):
            pixels = np.broadcast_to(image, (3, height, width)).transpose(1, 2, 0)
            pixels = np.ascontiguousarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))
            sheet.paste(Image.fromarray(pixels), (GAP + column * column_width, top + NAME_HEIGHT))
    return sheet


def spread(classes: Sequence[str], count: int) -> list[str]:
    """So many of the classes, evenly spread, so that a sheet shows more than one alphabet."""
    chosen = np.linspace(0, len(classes) - 1, min(count, len(classes))).round().astype(int)
    return [classes[c] for c in chosen]
