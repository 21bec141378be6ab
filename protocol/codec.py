"""Messages to frames and back: one msgpack header, then raw tensor frames.

Whatever a stranger sends, :func:`decode` answers with a message or a :class:`CodecError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter, ValidationError

from protocol.header import HeaderError, pack_header, unpack_header
from protocol.manifest import Manifest, Parameters
from protocol.messages import PROTOCOL_VERSION, AnyMessage, Evaluate, Message, Train, Update
from protocol.pieces import PIECE, Buffer, Frame, cut, joined, lengths, whole

CodecErrorKind = Literal["malformed", "other_version", "wrong_size"]
MAX_DETAIL = 200
CARRIES_PARAMETERS = (Train, Update, Evaluate)
_MESSAGES: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)


class CodecError(ValueError):
    """Why frames are no message: ``detail`` is one short line.

    ``message`` is what the header says when only the tensor frames are wrong (``wrong_size``), so that the
    answer can name its run and round.
    """

    def __init__(self, kind: CodecErrorKind, detail: str, message: AnyMessage | None = None) -> None:
        self.kind: CodecErrorKind = kind
        self.detail = _one_line(detail)
        self.message = message
        super().__init__(f"{kind}: {self.detail}")


class Tensors(Protocol):
    """What goes after a header, one buffer for each dtype: parameters, or an update in the federation's
    encoding."""

    def frames(self) -> list[memoryview]: ...


@dataclass(frozen=True)
class Decoded:
    """A valid message; ``parameters`` when it is a train, update or evaluate, which view the received frames
    where a buffer is in one. ``update``: the buffers of an update, where its sizes were given; no copy."""

    message: AnyMessage
    parameters: Parameters | None
    update: tuple[Buffer, ...] | None = None


def encode(message: Message, parameters: Tensors | None = None) -> list[Frame]:
    """The header frame and the tensor frames, which view ``parameters``.

    Raises ValueError when parameters are missing, or given to a message that carries none, or when the
    header is larger than the other side accepts.
    """
    if isinstance(message, CARRIES_PARAMETERS) != (parameters is not None):
        raise ValueError(
            f"{type(message).__name__} {'carries' if parameters is None else 'does not carry'} parameters"
        )
    return [encode_header(message), *(cut(parameters.frames()) if parameters else ())]


def encode_header(message: Message) -> bytes:
    """The header frame alone."""
    return pack_header(message.model_dump())


def decode(
    frames: Sequence[Frame], manifest: Manifest | None, update_sizes: tuple[int, ...] | None = None
) -> Decoded:
    """The message in received frames. ``manifest`` is that of the federation, None before it is known.
    ``update_sizes``: of the buffers of an update, which are then left to the federation's encoding.

    Raises only :class:`CodecError`, before anything as large as the sender claims is made.
    """
    if not frames:
        raise CodecError("malformed", "no frames")
    message = _message(frames[0])
    tensors = frames[1:]
    if not isinstance(message, CARRIES_PARAMETERS):
        if tensors:
            raise CodecError("malformed", f"tensor frames after a header of type {message.type}")
        return Decoded(message, None)
    if manifest is None:
        raise CodecError("wrong_size", "tensor frames before the manifest is known", message)
    if isinstance(message, Update) and update_sizes is not None:
        return Decoded(message, None, _buffers(message, tensors, update_sizes))
    buffers = _buffers(message, tensors, manifest.buffer_sizes)
    return Decoded(message, Parameters.from_frames(manifest, [whole(buffer) for buffer in buffers]))


def _buffers(message: AnyMessage, tensors: Sequence[Frame], sizes: tuple[int, ...]) -> tuple[Buffer, ...]:
    expected = lengths(sizes)
    if len(tensors) != len(expected):
        raise CodecError("wrong_size", f"tensor frames: {len(tensors)}, not {len(expected)}", message)
    there = tuple(memoryview(frame).nbytes for frame in tensors)
    if there != expected:
        detail = f"{sum(there)} bytes in tensor frames, which should be {sum(expected)} in frames of {PIECE}"
        raise CodecError("wrong_size", detail, message)
    return joined(tensors, sizes)


def _message(frame: Frame) -> AnyMessage:
    try:
        header = unpack_header(frame)
    except HeaderError as error:
        raise CodecError("malformed", str(error)) from error
    version = header.get("version")
    if type(version) is not int:
        raise CodecError("malformed", "version: an integer is missing")
    if version != PROTOCOL_VERSION:
        # Before the fields are looked at: those of another version may well be others.
        raise CodecError("other_version", f"protocol version {version}; this side speaks {PROTOCOL_VERSION}")
    try:
        return _MESSAGES.validate_python(header)
    except ValidationError as error:
        raise CodecError("malformed", _first_problem(error)) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "union_tag_invalid":
        return "type: no message is named so"
    where = ".".join(_short(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _short(part: Any) -> str:
    text = str(part)
    return text if len(text) <= 32 else f"{text[:31]}…"


def _one_line(text: str) -> str:
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return printable if len(printable) <= MAX_DETAIL else f"{printable[: MAX_DETAIL - 1]}…"
