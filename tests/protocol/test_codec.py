import tracemalloc
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import MAX_DETAIL, CodecError, Decoded, decode, encode
from protocol.manifest import Manifest, Parameters
from protocol.messages import (
    PROTOCOL_VERSION,
    Accepted,
    Heartbeat,
    Message,
    Update,
)
from tests.protocol.generated import MANIFEST, MESSAGE_TYPES, PARAMETERS, a, any_message, parameters_for

RUN = "0123abcd"
UPDATE = Update(run=RUN, round=3, seconds=1.5)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=9)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def refusal_of(*frames: bytes | memoryview, manifest: Any = MANIFEST) -> CodecError:
    with pytest.raises(CodecError) as caught:
        decode(frames, manifest)
    return caught.value


def header(**fields: object) -> bytes:
    packed: bytes = msgpack.packb({"version": PROTOCOL_VERSION, **fields})
    return packed


def tampered(message: Message, **fields: object) -> bytes:
    return header(**{**message.model_dump(), **fields})


# What goes in comes out


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_every_message_survives_the_wire(kind: type[Message]) -> None:
    @settings(max_examples=25)
    @given(a(kind))
    def survives(message: Message) -> None:
        parameters = parameters_for(message)
        decoded = decode([bytes(frame) for frame in encode(message, parameters)], MANIFEST)
        assert decoded.message == message
        if parameters is not None:
            assert decoded.parameters is not None
            assert decoded.parameters.digest() == parameters.digest()

    survives()


def test_a_message_without_parameters_is_one_frame() -> None:
    frames = encode(Heartbeat(run=RUN))
    assert len(frames) == 1
    assert msgpack.unpackb(frames[0]) == {"version": PROTOCOL_VERSION, "type": "heartbeat", "run": RUN}
    assert decode(frames, None) == Decoded(Heartbeat(run=RUN), None)


def test_an_update_of_nothing_shared_is_its_header_alone() -> None:
    empty = Manifest(parameters=())
    frames = encode(UPDATE, Parameters.from_arrays(empty, {}))
    assert len(frames) == 1
    assert decode(frames, empty) == Decoded(UPDATE, Parameters(empty, ()))
    assert refusal_of(*frames, b"", manifest=empty).kind == "wrong_size"


def test_parameters_are_views_of_the_received_frames() -> None:
    frames = [bytearray(bytes(frame)) for frame in encode(UPDATE, PARAMETERS)]
    decoded = decode([memoryview(frame) for frame in frames], MANIFEST)
    assert decoded.parameters is not None
    frames[1][:4] = np.array([99], "<f4").tobytes()
    assert decoded.parameters.arrays()["features.weight"][0, 0] == 99


def test_tensor_frames_view_the_parameters() -> None:
    mine = Parameters.from_arrays(MANIFEST, PARAMETERS.arrays())
    frames = encode(UPDATE, mine)
    mine.buffers[0][0] = 77
    assert np.frombuffer(frames[1], "<f4")[0] == 77


def test_parameters_and_message_must_fit_each_other() -> None:
    with pytest.raises(ValueError, match="Update carries parameters"):
        encode(UPDATE)
    with pytest.raises(ValueError, match="Accepted does not carry parameters"):
        encode(Accepted(run=RUN, round=1), PARAMETERS)


# Refusals and their reasons


def test_no_frames_are_malformed() -> None:
    assert refusal_of().detail == "no frames"


@pytest.mark.parametrize("version", [0, PROTOCOL_VERSION + 1, 2**63])
def test_another_version_is_told_apart_before_its_fields_are_looked_at(version: int) -> None:
    refused = refusal_of(header(version=version, type="hello", whatever=[1, 2]))
    assert refused.kind == "other_version"
    assert refused.detail == f"protocol version {version}; this side speaks {PROTOCOL_VERSION}"


@pytest.mark.parametrize("version", ["1", 1.0, True, None])
def test_a_version_that_is_no_integer_is_malformed(version: object) -> None:
    assert refusal_of(tampered(Heartbeat(run=RUN), version=version)).kind == "malformed"


def test_the_version_cannot_be_left_out() -> None:
    refused = refusal_of(msgpack.packb({"type": "heartbeat", "run": RUN}))
    assert (refused.kind, refused.detail) == ("malformed", "version: an integer is missing")


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        (header(type="heartbeat", run="X"), "heartbeat.run: String should match pattern '^[0-9a-f]{8,64}$'"),
        (tampered(Heartbeat(run=RUN), extra=1), "heartbeat.extra: Extra inputs are not permitted"),
        (header(type="heartbeat"), "heartbeat.run: Field required"),
        (header(type="no such"), "type: no message is named so"),
        (header(run=RUN), "Unable to extract tag using discriminator 'type'"),
        (tampered(UPDATE, round="3"), "update.round: Input should be a valid integer"),
        (tampered(UPDATE, round=-1), "update.round: Input should be greater than or equal to 0"),
        (tampered(UPDATE, round=True), "update.round: Input should be a valid integer"),
        (tampered(UPDATE, seconds=float("nan")), "update.seconds: Input should be a finite number"),
        (msgpack.packb([1, 2]), "the header is not a map"),
        (b"", "the header ends too early"),
        (b"\xc1", "binary or extension types in the header"),
    ],
)  # fmt: skip
def test_a_malformed_header_is_refused_with_the_reason(frame: bytes, detail: str) -> None:
    refused = refusal_of(frame)
    assert (refused.kind, refused.detail) == ("malformed", detail)


def test_what_the_sender_wrote_is_not_repeated_at_length() -> None:
    assert len(refusal_of(tampered(Heartbeat(run=RUN), **{"x" * 100_000: 1})).detail) <= MAX_DETAIL
    assert "boo" not in refusal_of(header(type="boo" * 1000)).detail
    assert "\n" not in refusal_of(tampered(Heartbeat(run=RUN), **{"a\nb\x1b[31m": 1})).detail
    assert "\x1b" not in refusal_of(tampered(Heartbeat(run=RUN), **{"a\nb\x1b[31m": 1})).detail


def test_frames_after_a_message_that_has_none_are_malformed() -> None:
    refused = refusal_of(*encode(Heartbeat(run=RUN)), b"tensor")
    assert (refused.kind, refused.detail) == ("malformed", "tensor frames after a header of type heartbeat")


def test_tensor_frames_must_be_the_manifest_s_in_number_and_size() -> None:
    head, first, second = encode(UPDATE, PARAMETERS)
    assert refusal_of(head, first).detail == "tensor frames: 1, not 2"
    assert refusal_of(head, first, second, b"").detail == "tensor frames: 3, not 2"
    assert refusal_of(head, first, second[:-1]).kind == "wrong_size"
    assert refusal_of(head, second, first).kind == "wrong_size"
    assert refusal_of(head, first, second, manifest=None).kind == "wrong_size"


def test_wrong_tensor_frames_still_tell_which_update_they_were_of() -> None:
    head, *_ = encode(UPDATE, PARAMETERS)
    assert refusal_of(head).message == UPDATE
    assert refusal_of(b"").message is None


# Nothing else comes out, whatever comes in


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_arbitrary_frames_are_refused(frames: list[bytes]) -> None:
    decodes_or_is_refused(frames)


@settings(max_examples=150)
@given(any_message(), st.data())
def test_a_cut_header_is_malformed(message: Message, data: st.DataObject) -> None:
    head, *tensors = encode(message, parameters_for(message))
    cut = data.draw(st.integers(0, len(head) - 1))
    assert refusal_of(head[:cut], *tensors).kind == "malformed"


@settings(max_examples=300)
@given(any_message(), st.data())
def test_flipped_bits_give_a_message_or_a_refusal(message: Message, data: st.DataObject) -> None:
    head, *tensors = encode(message, parameters_for(message))
    flipped = bytearray(head)
    for bit in data.draw(st.lists(st.integers(0, 8 * len(head) - 1), min_size=1, max_size=4)):
        flipped[bit // 8] ^= 1 << bit % 8
    decodes_or_is_refused([bytes(flipped), *tensors])


@settings(max_examples=400)
@given(any_message(), st.data())
def test_changed_headers_give_a_message_or_a_refusal(message: Message, data: st.DataObject) -> None:
    fields: dict[str, Any] = msgpack.unpackb(encode(message, parameters_for(message))[0])
    target: Any = fields
    while isinstance(target, dict):
        key = data.draw(st.sampled_from([*sorted(target), "another"]))
        inner = target.get(key)
        if isinstance(inner, dict) and inner and data.draw(st.booleans()):
            target = inner
            continue
        if data.draw(st.booleans()):
            target[key] = data.draw(anything)
        else:
            target.pop(key, None)
        break
    decodes_or_is_refused([msgpack.packb(fields)])


def decodes_or_is_refused(frames: Sequence[bytes | memoryview]) -> None:
    try:
        detail: str = decode(frames, MANIFEST).message.type
    except CodecError as refused:
        detail = refused.detail
    assert 0 < len(detail) <= MAX_DETAIL
    assert detail.isprintable()


# Nothing is allocated on a stranger's word


def ready_with(train: object) -> bytes:
    split = {"train": train, "validation": [], "test": [], "backdoor": [], "target": []}
    return header(type="ready", run=RUN, manifest_digest="0" * 64, split=split)


def welcome_with(parameters: object) -> bytes:
    return header(type="welcome", run=RUN, round=1, scenario="", manifest={"parameters": parameters})


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\xdd\xff\xff\xff\xff" * 1000, id="arrays of 4 billion in each other"),
        pytest.param(b"\xdf\xff\xff\xff\xff" * 1000, id="maps of 4 billion in each other"),
        pytest.param(b"\xdb\xff\xff\xff\xff", id="a string of 4 GiB"),
        pytest.param(b"\x91" * 500_000, id="nested half a million deep"),
        pytest.param(
            b"".join(b"\xdd" + (120_000 - i).to_bytes(4, "big") for i in range(1000)) + b"\xc0" * 130_000,
            id="claims that would fit",
        ),
        pytest.param(b"\xdd\x00\x0f\xff\xfb" + b"\xc0" * (2**20 - 5), id="a million nils"),
        pytest.param(b"\xdd\x00\x01\xf0\x00" + b"\x80" * 0x1F000, id="100,000 empty maps"),
        pytest.param(ready_with([{}] * 130_000), id="100,000 wrong class names"),
        pytest.param(welcome_with([{}] * 130_000), id="100,000 wrong parameters"),
        pytest.param(b"\xa0" * 2**21, id="larger than a header may be"),
    ],
)
def test_claims_cost_little_memory(frame: bytes) -> None:
    refusal_of(frame)  # what is set up once does not count
    tracemalloc.start()
    try:
        refusal_of(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


def test_a_thousand_frames_too_many_are_counted_not_read() -> None:
    head, *_ = encode(UPDATE, PARAMETERS)
    assert refusal_of(head, *[b"x"] * 1000).detail == "tensor frames: 1000, not 2"
