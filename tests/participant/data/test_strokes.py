import numpy as np
import pytest

from participant.data import Dataset, load_dataset
from participant.data.strokes import STILL, draw, invent, write
from protocol.errors import UsageProblem
from tests.participant.data.nearest import nearest_neighbour_accuracy


@pytest.fixture(scope="module")
def strokes() -> Dataset:
    return draw(200, seed=0)


def test_it_needs_no_file_and_has_twenty_drawings_a_class() -> None:
    dataset = load_dataset("strokes", classes=3)
    assert dataset.name == "strokes"
    assert dataset.classes == ("character00000", "character00001", "character00002")
    assert dataset.of("character00001").shape == (20, 1, 28, 28)
    assert dataset.groups is None


def test_more_classes_keep_the_first_ones_as_they_are(strokes: Dataset) -> None:
    few = load_dataset("strokes", classes=7)
    np.testing.assert_array_equal(few.images, strokes.images[: len(few.images)])


def test_another_seed_is_another_script(strokes: Dataset) -> None:
    assert not np.array_equal(load_dataset("strokes", classes=1, seed=1).images, strokes.images[:20])


def test_no_two_drawings_are_the_same(strokes: Dataset) -> None:
    assert len(np.unique(strokes.images.reshape(len(strokes.images), -1), axis=0)) == len(strokes.images)


def test_nothing_is_clipped_at_the_border(strokes: Dataset) -> None:
    border = np.ones((28, 28), bool)
    border[1:-1, 1:-1] = False
    assert strokes.images[:, 0, border].max() == 0


def test_every_drawing_is_ink_on_paper_and_more_than_one_line(strokes: Dataset) -> None:
    assert (strokes.images.max(axis=(1, 2, 3)) > 200).all()
    ink = strokes.images[:, 0] / 255.0
    assert ink.sum(axis=(1, 2)).min() > 12
    assert ink.sum(axis=(1, 2)).max() < 28 * 28 / 4


def test_no_two_classes_have_almost_the_same_shape() -> None:
    rng = np.random.default_rng(0)  # a still hand draws nothing from it but the pen's width
    still = np.stack([write(character, STILL, 1, rng)[0].ravel() for character in invent(0, 200)]) / 255.0
    still /= np.linalg.norm(still, axis=1, keepdims=True)
    assert (still @ still.T - np.eye(200)).max() < 0.9


@pytest.mark.parametrize(("shot", "omniglot"), [(1, 0.44), (5, 0.67)])
def test_it_is_as_hard_as_omniglot_for_the_nearest_neighbour(
    strokes: Dataset, shot: int, omniglot: float
) -> None:
    accuracy = nearest_neighbour_accuracy(strokes, way=5, shot=shot, episodes=1000)
    assert accuracy == pytest.approx(omniglot, abs=0.05)


@pytest.mark.parametrize("classes", [0, 10_001])
def test_a_number_of_classes_that_cannot_be_is_refused(classes: int) -> None:
    with pytest.raises(UsageProblem, match=f"not {classes}"):
        load_dataset("strokes", classes=classes)
