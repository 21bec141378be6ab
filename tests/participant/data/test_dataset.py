import numpy as np
import pytest

from participant.data import Dataset
from protocol.errors import UsageProblem


def two_classes() -> Dataset:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(28, 2).repeat(28, 3)
    return Dataset("toy", ("a", "b"), images, np.array([0, 2, 5]))


def test_a_class_has_its_images_as_a_view() -> None:
    dataset = two_classes()
    assert dataset.of("b").shape == (3, 1, 28, 28)
    assert dataset.of("b")[:, 0, 0, 0].tolist() == [2, 3, 4]
    assert np.shares_memory(dataset.of("b"), dataset.images)


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageProblem, match="toy has no class 'c'"):
        two_classes().of("c")


@pytest.mark.parametrize(
    ("classes", "offsets"),
    [
        (("b", "a"), [0, 2, 5]),
        (("a", "a"), [0, 2, 5]),
        (("a", "b"), [0, 2, 4]),
        (("a", "b"), [0, 0, 5]),
        (("a", "b"), [0, 5]),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(classes: tuple[str, ...], offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="toy"):
        Dataset("toy", classes, two_classes().images, np.array(offsets))


def test_a_published_split_names_classes_that_there_are() -> None:
    good = two_classes()
    with pytest.raises(ValueError, match="groups"):
        Dataset("toy", good.classes, good.images, good.offsets, {"train": frozenset({"z"})})
