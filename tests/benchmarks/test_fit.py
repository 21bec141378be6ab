"""How costs are taken apart from measured rounds."""

import numpy as np
import pytest

from benchmarks.page.fit import Point, fitted, nonnegative

GRID = [(participants, size) for participants in (2, 16, 256) for size in (40_000, 4_000_000)]


def points(fixed_s: float, each_s: float, byte_s: float) -> list[Point]:
    return [Point(n, size, fixed_s + n * (each_s + byte_s * size)) for n, size in GRID]


def test_the_costs_that_rounds_were_made_of_are_found_again() -> None:
    fit = fitted(points(2e-3, 3e-4, 1e-9))
    assert (fit.fixed_s, fit.each_s, fit.byte_s) == pytest.approx((2e-3, 3e-4, 1e-9))
    assert fit.worst == pytest.approx(0, abs=1e-9)
    assert fit.at(1000, 1_000_000) == pytest.approx(2e-3 + 0.3 + 1.0)


def test_no_cost_is_negative_where_the_best_fit_would_have_one() -> None:
    # Rounds that get cheaper by the participant, as noise may have it.
    fit = fitted([Point(n, 4, 1.0 - 0.01 * n) for n in (1, 2, 4, 8)])
    assert fit.each_s == fit.byte_s == 0
    assert fit.fixed_s == pytest.approx(0.96, abs=0.02)


def test_how_far_off_the_fit_is_is_said() -> None:
    exact = points(1e-3, 1e-4, 1e-9)
    *others, last = exact
    fit = fitted([*others, Point(last.participants, last.model_bytes, 1.5 * last.seconds)])
    assert 0.05 < fit.worst < 0.5
    assert fit.typical <= fit.worst


def test_three_points_say_nothing_of_how_well_three_costs_fit() -> None:
    with pytest.raises(ValueError, match="3 points"):
        fitted(points(1e-3, 1e-4, 1e-9)[:3])


def test_least_squares_without_a_negative_unknown_are_the_usual_ones_if_those_have_none() -> None:
    rng = np.random.default_rng(0)
    parts, wanted = rng.uniform(size=(20, 3)), np.array([1.0, 0.0, 2.5])
    assert nonnegative(parts, parts @ wanted) == pytest.approx(wanted, abs=1e-9)
