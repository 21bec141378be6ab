"""What is made of the rounds of one go."""

import pytest

from benchmarks.spread import Comparison, Spread, ratios
from benchmarks.wire.measured import MOST, Case, Go, percentile


def test_participants_are_shared_out_evenly() -> None:
    assert Case(1, 2).shared_out() == [1, 1]
    assert Case(1, 6).shared_out() == [2, 2, 1, 1]
    assert sum(Case(1, 1000).shared_out()) == 1000


def test_the_more_bytes_a_round_moves_the_fewer_rounds_there_are() -> None:
    assert Case(1000, 2).rounds == MOST
    assert Case(10_000_000, 4).rounds == 6
    assert Case(100_000_000, 64).rounds == 3


def test_processor_seconds_are_those_of_one_round() -> None:
    found = Go.of([0.1, 0.3, 0.2], busy_s=0.6, everybody_s=1.5, idle_kib=1, peak_kib=2)
    assert (found.round_s, found.busy_s, found.everybody_s) == pytest.approx((0.2, 0.2, 0.5))


def test_a_percentile_is_between_its_neighbours() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([0.0, 1.0], 0.95) == pytest.approx(0.95)
    assert percentile([7.0], 0.95) == 7.0


def test_a_ratio_is_one_of_each_repetition() -> None:
    assert ratios([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == Spread(2.0, 1.0, 3.0)
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_faster_is_the_other_way_round_than_longer() -> None:
    one = Comparison("x", reference_s=[2.0], ours_s=[1.0])
    assert (one.times_faster.median, one.times_as_long.median) == (2.0, 0.5)


def test_figures_have_as_many_digits_as_they_deserve() -> None:
    shown = [str(Spread.of([value])) for value in (0.0, 0.001234, 0.4321, 1.234, 12.34, 1234.5)]
    assert shown == ["0", "0.00123", "0.432", "1.23", "12.3", "1,234"]
    assert str(Spread(1.0, 0.5, 2.0)) == "1.00 (0.5–2.00)"
