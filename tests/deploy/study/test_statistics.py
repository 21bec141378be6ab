"""Statistics over seeds, against values worked out by hand."""

import math

import pytest

from deploy.study.statistics import (
    Lifespan,
    Ratio,
    estimate,
    fieller,
    gain_kept,
    lifespan,
    median_lifespan,
    paired,
    t_quantile,
)


def test_a_mean_over_three_seeds_has_the_t_interval_of_two_degrees_of_freedom() -> None:
    # Mean .8, standard deviation .1, so 4.303 * .1 / sqrt(3) = .2484.
    found = estimate([0.7, 0.8, 0.9])
    assert found.mean == pytest.approx(0.8)
    assert found.half == pytest.approx(0.2484, abs=1e-4)
    assert found.low == pytest.approx(0.5516, abs=1e-4)
    assert str(found) == "0.800 ± 0.248"


def test_one_seed_has_a_mean_and_no_interval() -> None:
    found = estimate([0.7])
    assert (found.half, found.low, found.high) == (None, -math.inf, math.inf)
    assert str(found) == "0.700"
    with pytest.raises(ValueError, match="no seed"):
        estimate([])


@pytest.mark.parametrize(("degrees", "t"), [(1, 12.706), (2, 4.303), (22, 2.086), (500, 1.980)])
def test_between_two_known_quantiles_the_wider_one_counts(degrees: int, t: float) -> None:
    assert t_quantile(degrees) == t


def test_a_paired_difference_drops_what_both_arms_share() -> None:
    # The seeds differ by .3, the arms by exactly .1 in each: no uncertainty is left.
    found = paired({1: 0.5, 2: 0.8, 3: 0.6}, {1: 0.4, 2: 0.7, 3: 0.5, 4: 0.9})
    assert found is not None
    assert found.mean == pytest.approx(0.1)
    assert found.half == pytest.approx(0.0, abs=1e-9)
    assert found.seeds == 3


def test_the_gain_kept_is_one_for_full_sharing_and_zero_for_none() -> None:
    alone, full = {1: 0.80, 2: 0.82, 3: 0.81}, {1: 0.90, 2: 0.93, 3: 0.91}
    whole, none = gain_kept(full, alone, full), gain_kept(alone, alone, full)
    assert whole is not None
    assert none is not None
    assert (whole.value, whole.low, whole.high) == pytest.approx((1, 1, 1))
    assert none.value == pytest.approx(0)


def test_without_a_gain_there_is_none_to_keep() -> None:
    assert gain_kept({1: 0.8}, {1: 0.9}, {1: 0.85}) is None
    assert gain_kept({1: 0.8}, {2: 0.7}, {1: 0.9}) is None


def test_fiellers_bounds_solve_their_equation() -> None:
    # x: mean .05, variance .0001; y: mean .10, variance .0001; covariance 0; t² / n = 4.303² / 3 = 6.172.
    # a = .01 − .0006172, b = .005, c = .0025 − .0006172: r = (.005 ± sqrt(.000025 − a·c)) / a.
    found = fieller([0.04, 0.05, 0.06], [0.11, 0.09, 0.10])
    assert found.value == pytest.approx(0.5)
    covariance = (-0.01 * 0.01 + 0 + 0.01 * 0) / 2
    for bound in (found.low, found.high):
        assert bound is not None
        left = (0.05 - bound * 0.10) ** 2
        right = 6.172 * (0.0001 - 2 * bound * covariance + bound**2 * 0.0001)
        assert left == pytest.approx(right, rel=1e-3)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_a_denominator_that_may_be_zero_gives_no_interval() -> None:
    assert fieller([0.05, 0.06], [0.01, 0.05]).low is None
    assert fieller([0.05], [0.1]).high is None


def test_the_sides_of_a_ratio_are_not_equal() -> None:
    below, above = Ratio(0.5, 0.2, 1.1, 3).sides
    assert (below, above) == pytest.approx((0.3, 0.6))
    assert Ratio(0.5, None, None, 1).sides == (0, 0)


@pytest.mark.parametrize(
    ("curve", "expected", "text"),
    [
        ({-1: 0.2, 0: 0.9, 5: 0.7, 10: 0.4, 50: 0.1}, Lifespan(5, 10), "5–10"),
        ({-1: 0.2, 0: 0.9, 50: 0.4}, Lifespan(0, 50), "0–50"),
        ({-1: 0.2, 0: 0.9, 10: 0.8, 50: 0.5}, Lifespan(50, math.inf), ">50"),
        ({-1: 0.9, 0: 0.3, 50: 0.2}, Lifespan(0, 0), "0"),
        ({0: 0.9, 5: 0.4, 10: 0.6, 50: 0.1}, Lifespan(10, 50), "10–50"),
        ({-1: 0.2, 5: 0.3, 50: 0.1}, Lifespan(0, 5), "0–5"),
    ],
    ids=["it died", "seldom measured", "it outlived", "it never took", "a dip is no death", "measured late"],
)
def test_a_lifespan_lies_between_two_measurements(
    curve: dict[int, float], expected: Lifespan, text: str
) -> None:
    assert lifespan(curve) == expected
    assert str(expected) == text


def test_the_median_lifespan_is_of_both_ends_and_knows_that_a_censored_one_is_longer() -> None:
    died, lived = Lifespan(5, 10), Lifespan(50, math.inf)
    assert str(median_lifespan([died, lived, Lifespan(10, 20)])) == "10–20"
    assert str(median_lifespan([lived, died, lived])) == ">50"
    assert str(median_lifespan([died, Lifespan(10, 20)])) == "7.5–15"
    assert str(median_lifespan([died, lived])) == ">27.5"
