from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from participant.data import load_dataset
from protocol.errors import UsageProblem


def fill(data_dir: Path, images: dict[str, int], suffix: str = ".png") -> None:
    """A directory for each class with so many grey images, 40 wide and 30 high."""
    for name, count in images.items():
        folder = data_dir / "image_folder" / name
        folder.mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (40, 30), (10 * i, 10 * i, 10 * i)).save(folder / f"{i}{suffix}")


@pytest.mark.parametrize("suffix", [".png", ".JPG", ".bmp", ".webp"])
def test_a_directory_is_a_class(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path, {"dog": 3, "cat": 2}, suffix)
    dataset = load_dataset("image_folder", tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.of("dog").shape == (3, 1, 28, 28)
    assert np.abs(dataset.of("dog").mean(axis=(1, 2, 3)) - [0, 10, 20]).max() < 3


def test_size_and_colour_can_be_chosen(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 2})
    assert load_dataset("image_folder", tmp_path, image_size=64, channels=3).images.shape == (2, 3, 64, 64)
    assert load_dataset("image_folder", tmp_path).images.shape == (2, 1, 28, 28)


def test_other_files_are_ignored(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 2})
    (tmp_path / "image_folder" / "notes.txt").write_text("mine")
    (tmp_path / "image_folder" / ".thumbnails").mkdir()
    (tmp_path / "image_folder" / "cat" / ".hidden.png").write_text("")
    assert len(load_dataset("image_folder", tmp_path).images) == 2


def test_a_new_image_is_seen(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 2})
    load_dataset("image_folder", tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "image_folder" / "cat" / "new.png")
    assert len(load_dataset("image_folder", tmp_path).images) == 3


def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"image_folder: put a directory of images there for each class"):
        load_dataset("image_folder", tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "image_folder").mkdir()
    with pytest.raises(UsageProblem, match="image_folder is empty"):
        load_dataset("image_folder", tmp_path)


def test_a_class_with_one_image_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 2, "dog": 1})
    with pytest.raises(UsageProblem, match=r"the class dog in .* has 1 image"):
        load_dataset("image_folder", tmp_path)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 2})
    (tmp_path / "image_folder" / "cat" / "1.png").write_bytes(b"nothing of the kind")
    with pytest.raises(UsageProblem, match=r"cat.1\.png is not a readable"):
        load_dataset("image_folder", tmp_path)


@pytest.mark.parametrize(("image_size", "channels"), [(0, 1), (28, 2), (5000, 3)])
def test_impossible_options_are_refused(tmp_path: Path, image_size: int, channels: int) -> None:
    fill(tmp_path, {"cat": 2})
    with pytest.raises(UsageProblem, match=r"image_size is from|channels is 1"):
        load_dataset("image_folder", tmp_path, image_size=image_size, channels=channels)
