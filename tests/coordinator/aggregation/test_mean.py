"""The sum of updates is exact: whatever the order, the same bits."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coordinator.aggregation import GRID, LARGEST, MOST_UPDATES, BadValues, UpdateSum
from coordinator.aggregation.base import CHUNK, DOT
from protocol.errors import RunFailed
from protocol.manifest import DType, Manifest, Parameters, ParameterSpec
from tests.coordinator import tiny

MODEL = tiny.values(0, "model")
FINITE = st.floats(-(2.0**17), 2.0**17, width=32)


def mean_step(updates: list[Parameters], rate: float = 1.0) -> Parameters:
    total = UpdateSum(tiny.MANIFEST)
    for update in updates:
        total.add(update)
    return total.step(MODEL, rate)


def scalar(dtype: DType, value: float) -> Parameters:
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(1,), dtype=dtype),))
    return Parameters.from_arrays(manifest, {"x": np.array([value])})


@given(st.lists(FINITE, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_change_one_bit(values: list[float], random: object) -> None:
    updates = [tiny.parameters_of(value) for value in values]
    shuffled = list(updates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert mean_step(updates).digest() == mean_step(shuffled).digest()


@settings(max_examples=25)
@given(st.permutations(range(6)))
def test_large_and_small_updates_commute(order: list[int]) -> None:
    scales = [1e-6, 1e4, -1e4, 1.0, 3e-9, 1e3]
    updates = [
        Parameters(MODEL.manifest, tuple(buffer * scale for buffer in tiny.values(9, i).buffers))
        for i, scale in enumerate(scales)
    ]
    expected = mean_step(updates).digest()
    assert mean_step([updates[i] for i in order]).digest() == expected


def test_it_is_the_mean_times_the_rate() -> None:
    updates = [tiny.update(name, 1) for name in "abc"]
    stepped = mean_step(updates, rate=0.25)
    for at, buffer in enumerate(stepped.buffers):
        mean = np.mean([update.buffers[at].astype(np.float64) for update in updates], axis=0)
        np.testing.assert_allclose(buffer, MODEL.buffers[at] + 0.25 * mean, atol=2**-24, rtol=1e-6)
        assert buffer.dtype == MODEL.buffers[at].dtype


@given(st.floats(-LARGEST, LARGEST), st.floats(-LARGEST, LARGEST))
def test_values_are_rounded_to_the_grid_with_ties_to_even(one: float, other: float) -> None:
    zero, total = scalar("float64", 0.0), UpdateSum(scalar("float64", 0.0).manifest)
    for value in (one, other):
        total.add(scalar("float64", value))
    grid = int(GRID)
    whole = sum(round(Fraction(value) * grid) for value in (one, other))
    assert total.step(zero, 2.0).buffers[0][0] == float(Fraction(whole, grid))


@given(st.floats(-LARGEST, LARGEST, width=32), st.floats(0, 1))
def test_a_scaled_update_counts_as_what_it_is_scaled_to(value: float, factor: float) -> None:
    zero, total = scalar("float64", 0.0), UpdateSum(scalar("float64", 0.0).manifest)
    total.add_scaled(scalar("float64", value), factor)
    assert total.step(zero, 1.0).buffers[0][0] == float(np.rint(value * factor * GRID) / GRID)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_dtype_keeps_its_type(dtype: DType) -> None:
    delta, model = scalar(dtype, 0.5), scalar(dtype, 1.0)
    total = UpdateSum(delta.manifest)
    total.add(delta)
    (buffer,) = total.step(model, 1.0).buffers
    assert buffer.dtype == model.buffers[0].dtype
    assert buffer[0] == 1.5


def test_models_larger_than_one_chunk_are_summed_to_the_end() -> None:
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(100_003,)),))
    delta = Parameters.from_arrays(manifest, {"x": np.arange(100_003) / 1024})
    total = UpdateSum(manifest)
    norm = total.add(delta)
    total.add(delta)
    zero = Parameters.from_arrays(manifest, {"x": np.zeros(100_003)})
    np.testing.assert_array_equal(total.step(zero, 1.0).buffers[0], delta.buffers[0])
    assert norm == pytest.approx(float(np.linalg.norm(delta.buffers[0].astype(np.float64))))


def test_the_norm_spans_all_buffers() -> None:
    assert UpdateSum(tiny.MANIFEST).add(tiny.parameters_of(2.0)) == pytest.approx(2.0 * np.sqrt(8))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_values_that_are_not_finite_are_refused_and_nothing_is_added(bad: float, place: int) -> None:
    total, clean = UpdateSum(tiny.MANIFEST), UpdateSum(tiny.MANIFEST)
    poisoned = tiny.parameters_of(1.0)
    poisoned.buffers[place][-1] = bad
    with pytest.raises(BadValues) as caught:
        total.add(poisoned)
    assert caught.value.reason == "non_finite"
    assert total.count == 0
    for each in (total, clean):
        each.add(tiny.update("ann", 1))
    assert total.step(MODEL, 1.0).digest() == clean.step(MODEL, 1.0).digest()


@pytest.mark.parametrize("bad", [np.nan, np.inf, LARGEST * 2])
@pytest.mark.parametrize("place", [0, DOT - 1, DOT, CHUNK - DOT - 1, CHUNK - 1, CHUNK, 2 * CHUNK + DOT, -1])
def test_what_was_added_of_a_bad_update_before_its_fault_was_seen_is_taken_back(
    bad: float, place: int
) -> None:
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(100_003,)),))
    values = np.random.default_rng(0).normal(size=100_003)
    good = Parameters.from_arrays(manifest, {"x": values})
    poisoned = Parameters.from_arrays(manifest, {"x": 7 * values})
    poisoned.buffers[0][place] = bad
    total, clean = UpdateSum(manifest), UpdateSum(manifest)
    total.add(good)
    with pytest.raises(BadValues):
        total.add(poisoned)
    for each in (total, clean):
        each.add(good)
    clean.add(good)
    assert total.step(good, 1.0).digest() == clean.step(good, 1.0).digest()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values",
    [np.array([1e200]), np.array([0x7FA00000], "<u4").view("<f4"), np.array([0x7D00], "<u2").view("<f2")],
    ids=["beyond what can be squared", "signalling", "signalling half"],
)
def test_no_value_makes_numpy_complain_on_the_console(values: NDArray[Any]) -> None:
    spec = ParameterSpec.model_validate({"name": "x", "shape": (1,), "dtype": values.dtype.name})
    manifest = Manifest(parameters=(spec,))
    with pytest.raises(BadValues):
        UpdateSum(manifest).add(Parameters(manifest, (values,)))


@pytest.mark.parametrize("sign", [1, -1])
def test_values_beyond_the_exact_range_are_refused_by_name(sign: int) -> None:
    UpdateSum(tiny.MANIFEST).add(tiny.parameters_of(sign * LARGEST))
    with pytest.raises(BadValues, match="beyond 131072") as caught:
        UpdateSum(tiny.MANIFEST).add(tiny.parameters_of(sign * (LARGEST + 1)))
    assert caught.value.reason == "out_of_range"


def test_the_sum_of_as_many_updates_as_there_can_be_fits() -> None:
    assert MOST_UPDATES * round(LARGEST * GRID) <= np.iinfo(np.int64).max


def test_clearing_starts_a_new_attempt() -> None:
    total = UpdateSum(tiny.MANIFEST)
    total.add(tiny.update("ann", 1))
    total.clear()
    total.add(tiny.update("bob", 1))
    assert total.step(MODEL, 1.0).digest() == mean_step([tiny.update("bob", 1)]).digest()


def test_a_model_that_overflows_ends_the_run_with_a_reason() -> None:
    delta, model = scalar("float16", 60_000.0), scalar("float16", 60_000.0)
    total = UpdateSum(delta.manifest)
    total.add(delta)
    with pytest.raises(RunFailed, match="not finite"):
        total.step(model, 1.0)


def test_the_new_model_cannot_be_changed_while_it_is_on_the_wire() -> None:
    assert not mean_step([tiny.update("ann", 1)]).buffers[0].flags.writeable
