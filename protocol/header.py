"""One msgpack map to and from plain values, also when a stranger wrote it.

msgpack's own limits are not enough: its C decoder makes a tuple of the claimed length before it has seen
one element, at every level of nesting. So the bytes are walked first, without building anything: what
they claim must be there, and depth and number of elements are bounded.
"""

from typing import Any

import msgpack

MAX_HEADER_BYTES = 2**20
MAX_ELEMENTS = 2**17
"""Values and keys in a header. A manifest of 4096 parameters with four dimensions has about 50,000."""
MAX_DEPTH = 8
"""Containers in each other. The deepest message, an evaluation, has five."""
MAX_MAP_KEYS = 32

_STR_LENGTH_BYTES = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY_LENGTH_BYTES = {0xDC: 2, 0xDD: 4}
_MAP_LENGTH_BYTES = {0xDE: 2, 0xDF: 4}
_SCALAR_BYTES = {
    **{0xC0: 0, 0xC2: 0, 0xC3: 0},  # nil, false, true
    **{0xCA: 4, 0xCB: 8},  # float
    **{0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8},  # unsigned integers
    **{0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8},  # signed integers
}


class HeaderError(ValueError):
    """Not a header; the message says why in one short line, without what the sender wrote."""


def pack_header(fields: dict[str, Any]) -> bytes:
    """Raises :class:`HeaderError` when the fields are too many or too long for a header."""
    try:
        data: bytes = msgpack.packb(fields, use_bin_type=True)
    except (ValueError, OverflowError) as error:
        raise HeaderError(f"cannot be written as msgpack: {error}") from error
    if len(data) > MAX_ELEMENTS:  # our own messages are nested no deeper than they are defined
        check_header(data)
    return data


def unpack_header(data: bytes | memoryview) -> dict[str, Any]:
    """The map in ``data``, arrays as tuples. Raises only :class:`HeaderError`."""
    check_header(data)
    try:
        header = msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_distinct,
            max_str_len=MAX_HEADER_BYTES,
            max_array_len=MAX_ELEMENTS,
            max_map_len=MAX_MAP_KEYS,
            max_bin_len=0,
            max_ext_len=0,
        )
    except HeaderError:
        raise
    except UnicodeDecodeError as error:
        raise HeaderError("a string is not UTF-8") from error
    except ValueError as error:
        # What is left after the walk: a key that is no string.
        raise HeaderError("a key is not a string") from error
    if not isinstance(header, dict):
        raise HeaderError("the header is not a map")
    return header


def check_header(data: bytes | memoryview) -> None:
    """Walk the msgpack in ``data`` without building it. Raises :class:`HeaderError`."""
    data = memoryview(data)
    if data.nbytes > MAX_HEADER_BYTES:
        raise HeaderError(f"a header of {data.nbytes} bytes; {MAX_HEADER_BYTES} are allowed")
    end = data.nbytes
    position = 0
    elements = 1
    pending = [1]  # values still to come, by depth
    while pending:
        if pending[-1] == 0:
            pending.pop()
            continue
        pending[-1] -= 1
        if position >= end:
            raise HeaderError("the header ends too early")
        position, children = _value_at(data, position)
        elements += children
        if position + children > end:
            raise HeaderError("the header ends too early")
        if elements > MAX_ELEMENTS:
            raise HeaderError(f"a header of more than {MAX_ELEMENTS} elements")
        if children:
            pending.append(children)
            if len(pending) > MAX_DEPTH + 1:
                raise HeaderError(f"a header nested more than {MAX_DEPTH} deep")
    if position != end:
        raise HeaderError("bytes follow the header's map")


def _value_at(data: memoryview, position: int) -> tuple[int, int]:
    """Where the value at ``position`` ends (a container: where its first element begins) and how many values
    it contains. The end may lie past the data; the caller looks."""
    first = data[position]
    position += 1
    if first <= 0x7F or first >= 0xE0:  # small integers
        return position, 0
    if first <= 0x8F:
        return position, 2 * (first & 0x0F)
    if first <= 0x9F:
        return position, first & 0x0F
    if first <= 0xBF:
        return position + (first & 0x1F), 0
    if first in _SCALAR_BYTES:
        return position + _SCALAR_BYTES[first], 0
    if first in _STR_LENGTH_BYTES:
        width = _STR_LENGTH_BYTES[first]
        return position + width + _length(data, position, width), 0
    if first in _ARRAY_LENGTH_BYTES:
        width = _ARRAY_LENGTH_BYTES[first]
        return position + width, _length(data, position, width)
    if first in _MAP_LENGTH_BYTES:
        width = _MAP_LENGTH_BYTES[first]
        keys = _length(data, position, width)
        if keys > MAX_MAP_KEYS:
            raise HeaderError(f"a map of more than {MAX_MAP_KEYS} keys")
        return position + width, 2 * keys
    raise HeaderError("binary or extension types in the header")


def _length(data: memoryview, position: int, width: int) -> int:
    if position + width > data.nbytes:
        raise HeaderError("the header ends too early")
    return int.from_bytes(data[position : position + width], "big")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise HeaderError("a key is there twice")
    return fields
