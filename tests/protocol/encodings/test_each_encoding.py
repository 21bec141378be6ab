"""What each encoding makes of values, and how much it loses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from protocol.encodings import BadFrames, BFloat16, Exact, Int8
from protocol.encodings.int8 import BLOCK, LEVELS, block_edges
from protocol.manifest import Manifest, ParameterSpec
from tests.protocol.encodings.examples import FEW, MANIFEST, drawn, flat, read, vector

SMALLEST_NORMAL = 2.0**-126


# float32


def test_float32_is_the_parameters_own_memory() -> None:
    delta = drawn()
    encoding = Exact(MANIFEST)
    assert encoding.encode(delta) is delta
    assert encoding.sizes == MANIFEST.buffer_sizes
    frames = delta.frames()
    for values, frame in zip(encoding.decode(frames).buffers, frames, strict=True):
        assert np.shares_memory(values[:], np.frombuffer(frame, np.uint8))


# bfloat16


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_bfloat16_rounds_as_torch_does_whatever_the_bits(bits: list[int]) -> None:
    delta = vector(np.array(bits, "<u4").view("<f4"))
    (there,) = read(BFloat16(delta.manifest).encode(delta))
    expected = torch.from_numpy(delta.buffers[0]).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(there, expected)


@given(FEW)
def test_bfloat16_is_off_by_half_its_last_bit_at_most(values: list[float]) -> None:
    delta = vector(values)
    (there,) = read(BFloat16(delta.manifest).encode(delta))
    exact = delta.buffers[0].astype(np.float64)
    assert (np.abs(there - exact) <= np.maximum(np.abs(exact) * 2.0**-8, 2.0**-134)).all()


def test_bfloat16_rounds_ties_to_even() -> None:
    ties = vector([1 + 2.0**-8, 1 + 3 * 2.0**-8, -(1 + 2.0**-8)])
    assert list(read(BFloat16(ties.manifest).encode(ties))[0]) == [1.0, 1 + 2.0**-6, -1.0]


# int8


def units_and_scales(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (frame,) = Int8(flat(values.size)).encode(vector(values)).frames()
    blocks = -(-values.size // BLOCK)
    return np.frombuffer(frame[4 * blocks :], np.int8), np.frombuffer(frame[: 4 * blocks], "<f4")


@given(values=FEW)
def test_int8_is_off_by_half_a_unit_at_most_which_is_a_254th_of_the_largest(values: list[float]) -> None:
    delta = vector(values)
    (there,) = read(Int8(delta.manifest).encode(delta))
    exact = delta.buffers[0].astype(np.float64)
    _, (scale,) = units_and_scales(delta.buffers[0])
    assert (np.abs(there - exact) <= scale / 2 * (1 + 2.0**-22)).all()
    assert scale == max(np.abs(delta.buffers[0]).max() / np.float32(LEVELS), SMALLEST_NORMAL)


@given(values=FEW)
def test_what_int8_loses_is_known_to_the_last_bit(values: list[float]) -> None:
    delta = vector(values)
    (there,) = read(Int8(delta.manifest).encode(delta))
    np.testing.assert_array_equal(there + (delta.buffers[0] - there), delta.buffers[0])


@given(values=FEW)
def test_int8_never_writes_minus_128_and_its_scales_are_normal_numbers(values: list[float]) -> None:
    units, scales = units_and_scales(np.array(values, "<f4"))
    assert units.min() >= -LEVELS
    assert scales.min() >= SMALLEST_NORMAL


def test_int8_rounds_ties_to_even() -> None:
    units, _ = units_and_scales(np.array([127.0, 0.5, 1.5, 2.5, -0.5, -1.5], "<f4"))
    assert list(units) == [127, 0, 2, 2, 0, -2]


def test_the_largest_of_a_block_is_kept_as_it_is_within_rounding() -> None:
    values = np.random.default_rng(0).normal(size=5000).astype("<f4")
    units, _ = units_and_scales(values)
    for start in range(0, 5000, BLOCK):
        assert np.abs(units[start : start + BLOCK]).max() == LEVELS


def test_an_outlier_costs_its_own_block_alone() -> None:
    values = np.full(4 * BLOCK, 1e-3, "<f4")
    values[BLOCK + 5] = 1e3
    (there,) = read(Int8(flat(values.size)).encode(vector(values)))
    lost = np.abs(there - values) > 1e-6
    assert lost[BLOCK : 2 * BLOCK].sum() == BLOCK - 1
    assert lost.sum() == BLOCK - 1


def test_a_block_ends_with_its_parameter() -> None:
    manifest = Manifest(
        parameters=(
            ParameterSpec(name="weight", shape=(BLOCK + 10,)),
            ParameterSpec(name="temperature", shape=(), dtype="float64"),
            ParameterSpec(name="nothing", shape=(0,)),
            ParameterSpec(name="bias", shape=(3,)),
        )
    )
    assert list(block_edges(manifest)) == [0, BLOCK, BLOCK + 10, BLOCK + 13]
    assert Int8(manifest).sizes == (4 * 3 + BLOCK + 13, 8)


def test_a_block_of_zeros_is_zeros() -> None:
    units, scales = units_and_scales(np.zeros(3, "<f4"))
    assert list(units) == [0, 0, 0]
    assert list(scales) == [SMALLEST_NORMAL]


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (0.0, "malformed"),
        (-0.0, "malformed"),
        (-1.0, "malformed"),
        (np.nan, "non_finite"),
        (np.inf, "non_finite"),
    ],
)
def test_a_scale_that_no_encoder_writes_is_refused(scale: float, reason: str) -> None:
    frame = np.array([scale], "<f4").tobytes() + bytes(3)
    with pytest.raises(BadFrames) as refused:
        Int8(flat(3)).decode([frame])
    assert refused.value.reason == reason


def test_minus_128_is_refused() -> None:
    frame = np.array([1.0], "<f4").tobytes() + b"\x00\x80\x00"
    with pytest.raises(BadFrames, match="-128 units") as refused:
        Int8(flat(3)).decode([frame])
    assert refused.value.reason == "malformed"


@given(st.data())
def test_what_int8_takes_it_would_write_again_alike(data: st.DataObject) -> None:
    """Of units that use the range, so that the scale is the one that an encoder would choose."""
    units = data.draw(st.lists(st.integers(-LEVELS, LEVELS), min_size=1, max_size=30))
    scale = np.float32(2.0 ** data.draw(st.integers(-100, 17)))
    frame = scale.tobytes() + np.array([LEVELS, *units], np.int8).tobytes()
    encoding = Int8(flat(len(units) + 1))
    (values,) = read(encoding.decode([frame]))
    assert bytes(encoding.encode(vector(values)).frames()[0]) == frame
