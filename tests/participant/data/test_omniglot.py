import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from participant.data import load_dataset
from protocol.errors import UsageProblem
from tests.participant.data.conftest import MakeZip, png
from tests.participant.data.nearest import nearest_neighbour_accuracy

GREEK = ("Greek/character01", "Greek/character02", "Greek/character03")
REAL = Path(os.environ.get("FEDMETA_DATA_DIR", "nowhere"), "omniglot")


def test_a_published_zip_is_read_as_it_is(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip()
    dataset = load_dataset("omniglot", tmp_path)
    assert dataset.name == "omniglot"
    assert dataset.classes == GREEK
    assert dataset.of("Greek/character02").shape == (3, 1, 28, 28)


def test_ink_is_white_and_paper_is_black(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip()
    images = load_dataset("omniglot", tmp_path).images
    assert images[0].max() > 40
    assert np.median(images[0]) == 0


def test_unpacked_folders_give_the_same_as_the_zip(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip()
    zipped = load_dataset("omniglot", tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent)
    path.unlink()
    unpacked = load_dataset("omniglot", tmp_path)
    assert unpacked.classes == zipped.classes
    np.testing.assert_array_equal(unpacked.images, zipped.images)


def test_both_parts_are_joined_and_the_small_ones_within_them_ignored(
    make_zip: MakeZip, tmp_path: Path
) -> None:
    extra = {"images_evaluation/Tengwar/character01/0001_01.png": png()}
    make_zip("images_background")
    make_zip("images_evaluation", classes=0, members=extra)
    make_zip("images_background_small1", classes=9)
    assert load_dataset("omniglot", tmp_path).classes == (*GREEK, "Tengwar/character01")


def test_the_alphabets_that_the_small_parts_share_are_read_once(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip("images_background_small1", classes=2)
    make_zip("images_background_small2", classes=3)
    dataset = load_dataset("omniglot", tmp_path)
    assert dataset.classes == GREEK
    assert np.diff(dataset.offsets).tolist() == [3, 3, 3]


def test_files_that_are_no_drawings_are_ignored(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip(
        members={
            "__MACOSX/Greek/character01/0001_01.png": b"",
            "images_background_small1/Greek/character01/._0001_01.png": b"",
            "images_background_small1/Greek/readme.png": b"",
        }
    )
    assert len(load_dataset("omniglot", tmp_path).images) == 9


def test_a_file_that_changed_is_read_again(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip(classes=2)
    assert len(load_dataset("omniglot", tmp_path).classes) == 2
    make_zip(classes=3)
    assert len(load_dataset("omniglot", tmp_path).classes) == 3


def test_where_there_is_none_the_error_says_what_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        load_dataset("omniglot", tmp_path)
    for part in (str(tmp_path / "omniglot"), "images_background.zip", "fedmeta data fetch omniglot"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_zip_that_was_cut_off_is_named(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip("images_background")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UsageProblem, match=r"images_background\.zip is not a whole zip.*data fetch omniglot"):
        load_dataset("omniglot", tmp_path)


def test_a_zip_that_is_damaged_within_is_named_with_the_drawing(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip("images_background")
    content = bytearray(path.read_bytes())
    content[100:140] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(UsageProblem, match=r"images_background\.zip:.*0001_01\.png"):
        load_dataset("omniglot", tmp_path)


def test_whichever_byte_of_a_zip_is_damaged_the_error_is_one_line(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip(classes=1)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    problems = []
    for _ in range(200):
        content = bytearray(whole)
        content[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(content)
        try:
            load_dataset("omniglot", tmp_path)
        except UsageProblem as problem:
            problems.append(str(problem))
    assert len(problems) > 100
    assert not any("\n" in problem for problem in problems)


DRAWING = "images_background_small1/Greek/character01/0001_01.png"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable PNG"),
        (b"GIF89a", "not a readable PNG"),
        (png()[:-30], "not a readable PNG"),
        (png()[:20] + b"\xff" * 4 + png()[24:], "not a readable PNG|more than the 4096"),
        (png(size=(5000, 20)), "5000x20 pixels"),
        (bytes(2**20 + 1), "1,048,577 bytes"),
    ],
    ids=["empty", "not a PNG", "cut off", "header", "too many pixels", "too many bytes"],
)
@pytest.mark.parametrize("unpacked", [False, True])
def test_a_drawing_that_is_none_is_named_with_the_reason(
    make_zip: MakeZip, tmp_path: Path, content: bytes, reason: str, unpacked: bool
) -> None:
    path = make_zip(members={DRAWING: content})
    if unpacked:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.parent)
        path.unlink()
    with pytest.raises(UsageProblem, match=rf"0001_01\.png .*({reason})"):
        load_dataset("omniglot", tmp_path)


def test_a_class_without_drawings_is_named(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip(members={"images_background_small1/Greek/character07/": b""})
    with pytest.raises(UsageProblem, match="no drawings of the class Greek/character07"):
        load_dataset("omniglot", tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "omniglot" / "images_background").mkdir(parents=True)
    with pytest.raises(UsageProblem, match="images_background holds no drawings"):
        load_dataset("omniglot", tmp_path)


@pytest.mark.skipif(
    not any(REAL.glob("images_*")), reason="FEDMETA_DATA_DIR names no folder with the published Omniglot"
)
@pytest.mark.parametrize(("shot", "expected"), [(1, 0.44), (5, 0.67)])
def test_the_published_drawings_are_as_hard_as_is_said(shot: int, expected: float) -> None:
    dataset = load_dataset("omniglot", REAL.parent)
    assert set(np.diff(dataset.offsets)) == {20}
    assert nearest_neighbour_accuracy(dataset, way=5, shot=shot, episodes=1000) == pytest.approx(
        expected, abs=0.06
    )
