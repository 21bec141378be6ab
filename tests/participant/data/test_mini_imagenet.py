from pathlib import Path

import pytest
from PIL import Image

from participant.data import load_dataset
from protocol.errors import UsageProblem

LISTS = {"train": ("n01", "n02"), "val": ("n03",), "test": ("n04",)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """mini-ImageNet with two classes to train on, one each for validation and test, two images a class."""
    folder = tmp_path / "mini_imagenet"
    (folder / "images").mkdir(parents=True)
    for name, labels in LISTS.items():
        rows = ["filename,label"]
        for label in labels:
            for i in range(2):
                Image.new("RGB", (84, 84), (200, 0, 0)).save(folder / "images" / f"{label}{i}.jpg")
                rows.append(f"{label}{i}.jpg,{label}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_it_comes_with_its_own_split(folder: Path) -> None:
    for _ in range(2):  # decoded, and from the cache
        dataset = load_dataset("mini_imagenet", folder.parent)
        assert dataset.images.shape == (8, 3, 84, 84)
        assert dataset.groups == {
            "train": frozenset({"n01", "n02"}),
            "validation": frozenset({"n03"}),
            "test": frozenset({"n04"}),
        }
        red, green, blue = dataset.of("n03").mean(axis=(0, 2, 3))
        assert red > 190
        assert max(green, blue) < 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"no file .*val\.csv"),
        ("", "no columns filename and label"),
        ("filename,label\n", "lists no image"),
        ("filename,label\n../n030.jpg,n03\n", "line 2: no plain file name"),
        ("filename,label\nn030.jpg\n", "line 2: no plain file name"),
        ("filename,label\nn010.jpg,n01\n", "has the class n01 of another list"),
        ("filename,label\nn099.jpg,n03\n", r"n099\.jpg is listed and missing"),
    ],
)
def test_a_list_that_is_wrong_is_named(folder: Path, content: str | None, reason: str) -> None:
    path = folder / "val.csv"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UsageProblem, match=reason):
        load_dataset("mini_imagenet", folder.parent)


def test_a_broken_image_is_named(folder: Path) -> None:
    (folder / "images" / "n040.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageProblem, match=r"n040\.jpg is not a readable"):
        load_dataset("mini_imagenet", folder.parent)
