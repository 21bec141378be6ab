import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import pieces
from protocol.pieces import Pieces, cut, joined, lengths, nbytes, whole

SIZES = st.lists(st.integers(0, 100), max_size=4)


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 16)


@given(SIZES)
def test_buffers_survive_being_cut_and_joined(sizes: list[int]) -> None:
    buffers = [bytes(np.arange(size, dtype=np.uint8)) for size in sizes]
    frames = cut(buffers)
    assert tuple(frame.nbytes for frame in frames) == lengths(sizes)
    assert all(frame.nbytes <= 16 for frame in frames)
    again = joined(frames, sizes)
    assert [bytes(whole(buffer)) for buffer in again] == buffers
    assert [nbytes(buffer) for buffer in again] == sizes


@pytest.mark.parametrize(
    ("size", "expected"), [(0, (0,)), (1, (1,)), (16, (16,)), (17, (16, 1)), (32, (16, 16))]
)
def test_a_frame_is_full_but_for_the_last(size: int, expected: tuple[int, ...]) -> None:
    assert lengths([size]) == expected


@given(st.integers(5, 40), st.data())
def test_values_of_pieces_are_read_like_an_array(count: int, data: st.DataObject) -> None:
    array = np.arange(count, dtype="<f4")
    (buffer,) = joined(cut([array.view(np.uint8).data]), [array.nbytes])
    assert isinstance(buffer, Pieces)
    values = buffer.values("<f4")
    assert values.size == count
    start, stop = data.draw(st.integers(0, count)), data.draw(st.integers(0, count + 5))
    np.testing.assert_array_equal(values[start:stop], array[start:stop])


def test_what_lies_within_a_piece_is_not_copied() -> None:
    (buffer,) = joined(cut([bytes(40)]), [40])
    assert isinstance(buffer, Pieces)
    part = buffer.values("<f4")[4:8]
    assert part.base is not None
    assert np.shares_memory(part, np.frombuffer(buffer.frames[1], "<f4"))


def test_cutting_copies_nothing() -> None:
    buffer = bytearray(40)
    frames = cut([memoryview(buffer)])
    buffer[20] = 7
    assert frames[1][4] == 7
