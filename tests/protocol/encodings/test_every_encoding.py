"""What every encoding promises."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encodings import ENCODINGS, BadFrames, Encoding
from protocol.errors import UsageProblem
from protocol.manifest import Manifest, Parameters, ParameterSpec
from tests.protocol.encodings.examples import (
    FEW,
    FLOAT32,
    MANIFEST,
    NAMES,
    drawn,
    flat,
    frames_of,
    read,
    vector,
    whole,
)

every_encoding = pytest.mark.parametrize("name", NAMES)


def made(name: str, manifest: Manifest = MANIFEST) -> Encoding:
    return ENCODINGS.get(name)(manifest)


def received(encoding: Encoding, delta: Parameters) -> list[Any]:
    return read(encoding.decode([bytes(frame) for frame in encoding.encode(delta).frames()]))


def values_or_refused(encoding: Encoding, frames: Sequence[bytes | memoryview]) -> list[Any] | BadFrames:
    try:
        return read(encoding.decode(frames))
    except BadFrames as refused:
        return refused


def test_they_are_known_by_name() -> None:
    assert ENCODINGS.names() == sorted(NAMES)
    with pytest.raises(
        UsageProblem, match=r"^federation\.encoding: no encoding is named 'zip'; there are: bf"
    ):
        ENCODINGS.get("zip")


@pytest.mark.parametrize(("name", "share"), [("float32", 1.0), ("bfloat16", 0.5), ("int8", 0.251)])
def test_it_takes_this_share_of_the_bytes(name: str, share: float) -> None:
    manifest = flat(1_000_000)
    assert sum(made(name, manifest).sizes) == pytest.approx(share * manifest.size, rel=1e-3)


@every_encoding
def test_the_frames_have_the_sizes_that_follow_from_the_manifest(name: str) -> None:
    encoding = made(name)
    packed = encoding.encode(drawn())
    assert tuple(frame.nbytes for frame in packed.frames()) == encoding.sizes


@every_encoding
def test_no_frame_is_larger_than_the_coordinators_socket_lets_in(name: str) -> None:
    specs = (ParameterSpec(name=str(at), shape=(1 + at % 3,)) for at in range(4096))
    many_small = Manifest(parameters=tuple(specs))
    for manifest in (MANIFEST, many_small, flat(10_000_000)):
        assert max(made(name, manifest).sizes) <= max(2**20, *manifest.buffer_sizes)


@every_encoding
def test_what_is_received_is_what_the_sender_knows_it_to_be(name: str) -> None:
    encoding, delta = made(name), drawn()
    for here, there in zip(read(encoding.encode(delta)), received(encoding, delta), strict=True):
        np.testing.assert_array_equal(here, there)


@every_encoding
def test_the_same_values_are_the_same_bytes(name: str) -> None:
    one, other = (b"".join(map(bytes, made(name).encode(drawn(3)).frames())) for _ in range(2))
    assert one == other


@every_encoding
def test_what_is_not_float32_travels_as_it_is(name: str) -> None:
    delta = drawn()
    for dtype, sent, there in zip(MANIFEST.dtypes, delta.buffers, received(made(name), delta), strict=True):
        assert there.dtype == sent.dtype
        if dtype != "float32":
            np.testing.assert_array_equal(there, sent)


@every_encoding
@given(cuts=st.lists(st.integers(0, 23_600), min_size=1, max_size=5))
def test_it_can_be_read_in_parts_that_begin_anywhere(name: str, cuts: list[int]) -> None:
    values = made(name).encode(drawn()).buffers[FLOAT32]
    edges = [0, *sorted(min(cut, values.size) for cut in cuts), values.size]
    pieces = [values[start:stop] for start, stop in pairwise(edges)]
    assert [piece.size for piece in pieces] == list(np.diff(edges))
    np.testing.assert_array_equal(np.concatenate(pieces), whole(values))


@every_encoding
def test_of_nothing_there_are_no_frames_and_of_an_empty_parameter_no_values(name: str) -> None:
    empty = Manifest(parameters=())
    encoding = made(name, empty)
    assert (encoding.sizes, encoding.encode(Parameters(empty, ())).frames()) == ((), [])
    assert read(encoding.decode([])) == []
    assert received(made(name, flat(0)), vector([]))[0].size == 0


@every_encoding
@given(values=FEW)
def test_zeros_stay_zero_and_nothing_changes_its_sign(name: str, values: list[float]) -> None:
    delta = vector([0.0, *values, -0.0])
    (there,) = received(made(name, delta.manifest), delta)
    assert there[0] == there[-1] == 0
    assert not (np.sign(there) * np.sign(delta.buffers[0]) < 0).any()


@pytest.mark.filterwarnings("error")
@every_encoding
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_what_is_not_finite_does_not_pass_for_a_number(name: str, bad: float) -> None:
    values = np.ones(3000, "<f4")
    values[2000] = bad
    delta = vector(values)
    encoding = made(name, delta.manifest)
    there = values_or_refused(encoding, encoding.encode(delta).frames())
    if isinstance(there, BadFrames):
        assert there.reason == "non_finite"
    else:
        assert not np.isfinite(there[0][2000])


@every_encoding
def test_other_sizes_are_refused(name: str) -> None:
    encoding = made(name)
    frames = [bytes(frame) for frame in encoding.encode(drawn()).frames()]
    for wrong in ([], frames[:-1], [*frames, b""], [b"", *frames[1:]], [frames[0] + b"x", *frames[1:]]):
        with pytest.raises(ValueError, match="buffers of"):
            encoding.decode(wrong)


@pytest.mark.filterwarnings("error")
@every_encoding
@given(data=st.data())
def test_any_bytes_of_the_right_size_are_values_or_refused(name: str, data: st.DataObject) -> None:
    encoding = made(name, flat(40))
    there = values_or_refused(encoding, data.draw(frames_of(encoding.sizes)))
    if isinstance(there, BadFrames):
        assert there.reason in ("malformed", "non_finite")
        assert len(there.detail.splitlines()) == 1
    else:
        assert (there[0].dtype, there[0].size) == (np.dtype("<f4"), 40)


@pytest.mark.filterwarnings("error")
@every_encoding
@given(values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40), data=st.data())
def test_flipped_bits_are_values_or_refused(name: str, values: list[float], data: st.DataObject) -> None:
    delta = vector(values)
    encoding = made(name, delta.manifest)
    (frame,) = (bytearray(frame) for frame in encoding.encode(delta).frames())
    for bit in data.draw(st.lists(st.integers(0, 8 * len(frame) - 1), min_size=1, max_size=4)):
        frame[bit // 8] ^= 1 << bit % 8
    there = values_or_refused(encoding, [bytes(frame)])
    if isinstance(there, BadFrames):
        assert there.reason in ("malformed", "non_finite")
    else:
        assert there[0].size == len(values)
