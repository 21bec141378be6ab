import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import UsageProblem
from protocol.scenario import SplitSizes
from protocol.split import ClassSplit, share_of, split_classes

NAMES = [f"class-{i:02}" for i in range(60)]
SIZES = SplitSizes(test=10, validation=5, backdoor=2, target=1)


def all_of(split: ClassSplit) -> list[str]:
    return [*split.train, *split.validation, *split.test, *split.backdoor, *split.target]


@given(st.permutations(NAMES), st.integers(0, 99))
def test_every_class_has_one_purpose_whatever_the_order_of_the_names(names: list[str], seed: int) -> None:
    split = split_classes(names, SIZES, seed)
    assert sorted(all_of(split)) == NAMES
    assert [len(split.test), len(split.validation), len(split.backdoor), len(split.target)] == [10, 5, 2, 1]
    assert split == split_classes(NAMES, SIZES, seed)


def test_another_seed_splits_otherwise() -> None:
    assert split_classes(NAMES, SIZES, 1) != split_classes(NAMES, SIZES, 2)


def test_a_data_set_with_its_own_groups_keeps_them() -> None:
    groups = {
        "train": frozenset(NAMES[:30]),
        "validation": frozenset(NAMES[30:40]),
        "test": frozenset(NAMES[40:]),
    }
    split = split_classes(NAMES, SIZES, 0, groups)
    assert set(split.train) == groups["train"]
    assert set(split.validation) <= groups["validation"]
    assert {*split.test, *split.backdoor, *split.target} <= groups["test"]


def test_too_few_classes_are_an_error_that_says_of_what() -> None:
    with pytest.raises(UsageProblem) as caught:
        split_classes(NAMES[:10], SIZES, 0)
    assert str(caught.value) == (
        "the data set has 10 classes, too few for task.split (test wants 10, 7 are left)"
    )


def test_a_split_that_leaves_nothing_to_train_on_gives_no_share() -> None:
    split = split_classes(NAMES[:18], SIZES, 0)
    assert split.train == ()
    with pytest.raises(UsageProblem, match="share 1/4 of 0 training classes is empty"):
        share_of(split.train, 0, 4)


@given(st.integers(1, 60))
def test_shares_are_disjoint_and_together_all(count: int) -> None:
    shares = [share_of(NAMES, index, count) for index in range(count)]
    assert sorted(name for share in shares for name in share) == NAMES
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_shares_than_classes_are_an_error() -> None:
    with pytest.raises(UsageProblem, match="share 4/4 of 3 training classes is empty"):
        share_of(NAMES[:3], 3, 4)
