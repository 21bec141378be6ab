import msgpack
import pytest

from protocol.header import MAX_DEPTH, MAX_HEADER_BYTES, MAX_MAP_KEYS, HeaderError, pack_header, unpack_header


def test_a_header_is_a_map_of_plain_values_and_arrays_come_as_tuples() -> None:
    fields = {"a": [1, -1, 2.5, None, True], "b": {"c": "ü" * 40}, "d": 2**64 - 1, "e": -(2**63)}
    assert unpack_header(pack_header(fields)) == {**fields, "a": (1, -1, 2.5, None, True)}


@pytest.mark.parametrize("length", [0, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_lengths_around_the_borders_of_msgpack_s_formats(length: int) -> None:
    fields = {"text": "x" * length, "list": ("y",) * length}
    assert unpack_header(pack_header(fields)) == fields


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x82\xa1a\x01\xa1a\x02", "a key is there twice"),
        (b"\x81\x01\x02", "a key is not a string"),
        (b"\x81\x90\x02", "a key is not a string"),
        (b"\x81\xa1\xff\x02", "a string is not UTF-8"),
        (b"\x80\x80", "bytes follow the header's map"),
        (b"\xa3abc", "the header is not a map"),
        (b"\x81\xa1a", "the header ends too early"),
        (b"\x81\xa1a\xcf\x00", "the header ends too early"),
        (b"\x81\xa1a\xda\x00", "the header ends too early"),
        (msgpack.packb({"a": b"bin"}), "binary or extension types in the header"),
        (msgpack.packb({"a": msgpack.ExtType(5, b"x")}), "binary or extension types in the header"),
        (msgpack.packb({"a": msgpack.Timestamp(0)}), "binary or extension types in the header"),
        (
            msgpack.packb({str(i): 0 for i in range(MAX_MAP_KEYS + 1)}),
            f"a map of more than {MAX_MAP_KEYS} keys",
        ),
        (b"\x91" * MAX_DEPTH + b"\x91\xc0", f"a header nested more than {MAX_DEPTH} deep"),
        (
            b"\xc0" * (MAX_HEADER_BYTES + 1),
            f"a header of {MAX_HEADER_BYTES + 1} bytes; {MAX_HEADER_BYTES} are allowed",
        ),
    ],
)
def test_what_is_no_header_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(HeaderError) as caught:
        unpack_header(data)
    assert str(caught.value) == reason


def test_a_header_that_the_other_side_would_refuse_is_not_sent() -> None:
    with pytest.raises(HeaderError, match="more than 131072 elements"):
        pack_header({"classes": ["c"] * 2**17})
    with pytest.raises(HeaderError, match="1048576 are allowed"):
        pack_header({"scenario": "x" * 2**20})
