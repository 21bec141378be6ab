"""Selection and shares are functions of names."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.selection import first_shares, next_share, select

NAMES = st.sets(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=12)


@given(NAMES, st.integers(1, 12), st.randoms())
def test_the_order_of_names_does_not_matter(names: set[str], count: int, random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert select(1, 2, 1, shuffled, count) == select(1, 2, 1, sorted(names), count)
    assert first_shares(shuffled, {}, 12) == first_shares(sorted(names), {}, 12)


@given(NAMES, st.integers(1, 20))
def test_as_many_are_selected_as_asked_or_all(names: set[str], count: int) -> None:
    chosen = select(1, 2, 1, names, count)
    assert set(chosen) <= names
    assert len(set(chosen)) == len(chosen) == min(count, len(names))


def test_rounds_attempts_and_seeds_select_differently() -> None:
    names = [f"p{number}" for number in range(50)]
    draws = {select(*where, names, 5) for where in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]}
    assert len(draws) == 4


def test_everybody_is_selected_about_as_often() -> None:
    names = [f"p{number}" for number in range(10)]
    counts = dict.fromkeys(names, 0)
    for number in range(1000):
        for name in select(7, number, 1, names, 3):
            counts[name] += 1
    assert all(240 < count < 360 for count in counts.values()), counts


def test_declared_shares_are_honoured_and_the_others_fill_up() -> None:
    assert first_shares(["dee", "ann", "cid", "bob"], {"cid": 0}, 4) == {
        "cid": 0,
        "ann": 1,
        "bob": 2,
        "dee": 3,
    }


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.none() | st.integers(0, 3)))
def test_the_others_come_as_one_after_the_other_would(wishes: dict[str, int | None]) -> None:
    declared = {name: index for name, index in wishes.items() if index is not None}
    expected = dict(declared)
    for name in sorted(wishes.keys() - declared.keys()):
        expected[name] = next_share(expected, 4)
    assert first_shares(wishes, declared, 4) == expected


def test_one_more_participant_gets_the_lowest_share_held_by_fewest() -> None:
    assert next_share({"ann": 0, "bob": 1, "cid": 2}, 3) == 0
    assert next_share({"ann": 0, "bob": 1, "cid": 2, "dee": 0}, 3) == 1
    assert next_share({"bob": 1, "cid": 2}, 3) == 0
