"""What every rule promises, and what each makes of a tiny round."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.aggregation import BadValues, coordinate_median
from protocol.errors import RunFailed
from protocol.manifest import Manifest, Parameters, ParameterSpec
from tests.coordinator import tiny
from tests.coordinator.aggregation.examples import EMPTY, one_step, rule, stepped, vector

MODEL = tiny.values(0, "model")
ZERO = tiny.parameters_of(0.0)
RULES: list[tuple[str, dict[str, Any]]] = [
    ("mean", {}),
    ("norm-bound", {"norm_bound": 1.5}),
    ("norm-bound", {"norm_bound": "median"}),
    ("coordinate-median", {}),
]
ROBUST = RULES[1:]
every_rule = pytest.mark.parametrize(("name", "rules"), RULES)
every_robust_rule = pytest.mark.parametrize(("name", "rules"), ROBUST)
VALUE = st.floats(-(2.0**17), 2.0**17, width=32)
ROUND = st.lists(st.lists(VALUE, min_size=3, max_size=3), min_size=1, max_size=9)


def distance(one: Parameters, other: Parameters) -> float:
    parts = zip(one.buffers, other.buffers, strict=True)
    return float(np.sqrt(sum(np.sum((a.astype(np.float64) - b) ** 2) for a, b in parts)))


# What every rule promises


@every_rule
@given(values=ROUND, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_change_one_bit(
    name: str, rules: dict[str, Any], values: list[list[float]], shuffle: random.Random
) -> None:
    updates = [vector(*each, dtype="float32") for each in values]
    shuffled = list(updates)
    shuffle.shuffle(shuffled)
    for model in (vector(0.5, -0.0, 3.0, dtype="float32"), vector(0.0, 0.0, 0.0, dtype="float32")):
        aggregation = rule(name, model.manifest, **rules)
        assert stepped(aggregation, model, updates).digest() == stepped(aggregation, model, shuffled).digest()


@pytest.mark.parametrize("order", [[0.0, -0.0], [-0.0, 0.0], [1.0, -0.0, 0.0], [0.0, 1.0, -0.0]])
def test_the_sign_of_a_zero_in_the_middle_does_not_reach_the_model(order: list[float]) -> None:
    model = vector(-0.0)
    after = stepped(rule("coordinate-median", model.manifest), model, [vector(value) for value in order])
    assert after.digest() == vector(0.0).digest()


@every_rule
def test_identical_updates_are_what_the_model_moves_by(name: str, rules: dict[str, Any]) -> None:
    update = tiny.parameters_of(0.5)  # norm √2, under the constant bound
    after = stepped(rule(name, **rules), ZERO, [update] * 3)
    assert after.digest() == update.digest()


@every_rule
def test_the_norm_is_that_of_the_update_as_received(name: str, rules: dict[str, Any]) -> None:
    """An attacker sticks out in the journal, also where the rule cuts it down."""
    aggregation = rule(name, **rules)
    norms = [aggregation.add(tiny.parameters_of(value)) for value in (0.1, 0.2, 400.0)]
    assert norms == pytest.approx([value * np.sqrt(8) for value in (0.1, 0.2, 400.0)])
    assert aggregation.count == 3


@every_rule
@pytest.mark.parametrize(("bad", "reason"), [(np.nan, "non_finite"), (np.inf, "non_finite"), (2e5, "out_of")])
def test_a_bad_update_is_refused_and_nothing_of_it_counts(
    name: str, rules: dict[str, Any], bad: float, reason: str
) -> None:
    aggregation, clean = rule(name, **rules), rule(name, **rules)
    poisoned = tiny.parameters_of(1.0)
    poisoned.buffers[1][-1] = bad
    with pytest.raises(BadValues) as caught:
        aggregation.add(poisoned)
    assert caught.value.reason.startswith(reason)
    assert aggregation.count == 0
    for each in (aggregation, clean):
        each.add(tiny.update("ann", 1))
    assert aggregation.step(MODEL, 1.0).digest() == clean.step(MODEL, 1.0).digest()


@every_rule
def test_clearing_starts_a_new_attempt(name: str, rules: dict[str, Any]) -> None:
    aggregation = rule(name, **rules)
    aggregation.add(tiny.update("ann", 1))
    aggregation.clear()
    assert aggregation.count == 0
    aggregation.add(tiny.update("bob", 1))
    alone = stepped(rule(name, **rules), MODEL, [tiny.update("bob", 1)])
    assert aggregation.step(MODEL, 1.0).digest() == alone.digest()


@every_rule
def test_a_model_that_nobody_shares_anything_of_stays_empty(name: str, rules: dict[str, Any]) -> None:
    nothing = Parameters.from_arrays(EMPTY, {})
    aggregation = rule(name, EMPTY, **rules)
    assert [aggregation.add(nothing), aggregation.add(nothing)] == [0.0, 0.0]
    assert aggregation.step(nothing, 0.5).digest() == nothing.digest()


@every_rule
def test_the_new_model_has_the_old_ones_dtypes_and_cannot_be_changed(
    name: str, rules: dict[str, Any]
) -> None:
    after = stepped(rule(name, **rules), MODEL, [tiny.update("ann", 1), tiny.update("bob", 1)])
    assert [buffer.dtype for buffer in after.buffers] == [buffer.dtype for buffer in MODEL.buffers]
    assert not any(buffer.flags.writeable for buffer in after.buffers)


@every_rule
def test_a_model_that_overflows_ends_the_run_with_a_reason(name: str, rules: dict[str, Any]) -> None:
    delta = model = vector(60_000.0, dtype="float16")
    aggregation = rule(name, delta.manifest, **({"norm_bound": 1e6} if "norm_bound" in rules else rules))
    aggregation.add(delta)
    with pytest.raises(RunFailed, match="not finite"):
        aggregation.step(model, 1.0)


# What an outlier can do


@every_robust_rule
@given(boost=st.floats(10.0, 1e4), benign=st.integers(3, 6))
def test_a_boosted_outlier_is_stopped(name: str, rules: dict[str, Any], boost: float, benign: int) -> None:
    """It moves the mean by its boost, and a robust rule by no more than the others would have moved."""
    good = [tiny.values(1, "good", at) for at in range(benign)]
    good = [scaled(update, 0.3) for update in good]
    bad = scaled(tiny.values(1, "bad"), boost)
    largest = max(distance(update, ZERO) for update in good)
    without = stepped(rule(name, **rules), ZERO, good)
    moved = distance(stepped(rule(name, **rules), ZERO, [*good, bad]), without)
    assert moved <= max(largest, 1.5)
    assert distance(stepped(rule("mean"), ZERO, [*good, bad]), without) > moved


def scaled(update: Parameters, factor: float) -> Parameters:
    return Parameters(update.manifest, tuple(buffer * factor for buffer in update.buffers))


# The formula of each


def test_updates_beyond_a_constant_bound_are_scaled_down_to_it() -> None:
    updates = [vector(3.0, 4.0), vector(0.0, 0.5)]  # norms 5 and 0.5
    assert one_step("norm-bound", updates, norm_bound=1.0) == pytest.approx([0.3, 0.65], abs=2**-29)


def test_updates_within_the_bound_give_the_mean_bit_for_bit() -> None:
    updates = [tiny.update(name, 1) for name in ("ann", "bob", "cid")]
    bounded = stepped(rule("norm-bound", norm_bound=1e3), MODEL, updates)
    assert bounded.digest() == stepped(rule("mean"), MODEL, updates).digest()


@pytest.mark.parametrize(
    ("norms", "bounded"),
    [
        ((1.0, 2.0, 6.0), (1.0, 2.0, 2.0)),
        ((1.0, 2.0, 4.0, 100.0), (1.0, 2.0, 3.0, 3.0)),
        ((5.0,), (5.0,)),
        ((0.0, 0.0, 7.0), (0.0, 0.0, 0.0)),
    ],
)
def test_the_median_bound_is_the_median_of_the_rounds_norms(
    norms: tuple[float, ...], bounded: tuple[float, ...]
) -> None:
    updates = [vector(norm) for norm in norms]
    (moved,) = one_step("norm-bound", updates, norm_bound="median")
    assert moved == pytest.approx(sum(bounded) / len(bounded), abs=2**-29)


def test_the_median_is_of_each_round_anew() -> None:
    aggregation = rule("norm-bound", vector(0.0).manifest, norm_bound="median")
    stepped(aggregation, vector(0.0), [vector(100.0)] * 3)
    after = stepped(aggregation, vector(0.0), [vector(1.0), vector(1.0), vector(50.0)])
    assert after.buffers[0][0] == 1.0


@pytest.mark.parametrize(
    ("values", "median"),
    [((1.0, 9.0, 2.0), 2.0), ((1.0, 9.0, 2.0, 4.0), 3.0), ((7.0,), 7.0), ((-1.0, 1.0), 0.0)],
)
def test_a_coordinate_moves_by_the_middle_value(values: tuple[float, ...], median: float) -> None:
    assert one_step("coordinate-median", [vector(value) for value in values]) == [median]


def test_each_coordinate_has_a_median_of_its_own() -> None:
    updates = [vector(1.0, -5.0), vector(2.0, 0.0), vector(30.0, 5.0)]
    assert one_step("coordinate-median", updates) == [2.0, 0.0]


def test_the_rate_scales_the_median() -> None:
    aggregation = rule("coordinate-median", vector(0.0).manifest)
    for value in (1.0, 2.0, 3.0):
        aggregation.add(vector(value))
    assert aggregation.step(vector(10.0), 0.25).buffers[0][0] == 10.5


def test_a_median_of_many_chunks_is_the_median_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.aggregation.coordinate_median.SCRATCH", 30)  # 10 coordinates at a time
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(101,)),))
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(3, 101)).astype(np.float32)
    updates = [Parameters.from_arrays(manifest, {"x": row}) for row in rows]
    zero = Parameters.from_arrays(manifest, {"x": np.zeros(101)})
    (buffer,) = stepped(rule("coordinate-median", manifest), zero, updates).buffers
    np.testing.assert_array_equal(buffer, np.median(rows, axis=0))


def test_the_scratch_of_a_median_does_not_grow_with_the_number_of_updates() -> None:
    """Of 400 updates of 100,000 values, 160 MB, no more than a slice is in float64 at once."""
    import tracemalloc

    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(100_000,)),))
    update = Parameters.from_arrays(manifest, {"x": np.ones(100_000)})
    aggregation = rule("coordinate-median", manifest)
    for _ in range(400):
        aggregation.add(update)
    tracemalloc.start()
    try:
        aggregation.step(update, 1.0)
        assert tracemalloc.get_traced_memory()[1] < 4 * 8 * coordinate_median.SCRATCH
    finally:
        tracemalloc.stop()
