"""The structured log of every process: one JSON object a line in a file, lines for people on stderr."""

import json
import logging
import math
import os
import select
import sys
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import structlog
from pydantic import BaseModel
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from protocol.errors import RunFailed

_STAMPER = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _at_once(write: Callable[[], None]) -> None:
    write()


def open_log(
    path: Path | None,
    *,
    console: bool,
    deliver: Callable[[Callable[[], None]], None] = _at_once,
    **bound: Any,
) -> FilteringBoundLogger:
    """A logger whose events are fields: ``log.info("round_started", round=3, selected=["ann", "bob"])``.

    Each event is appended to ``path`` as one line of JSON that starts with ``timestamp`` (UTC, ISO 8601),
    ``level`` and ``event``, followed by ``bound`` and the event's own fields; with ``console`` it is also
    shown on stderr. An event that has a ``timestamp`` keeps it.

    A line is written by a call that raises :class:`RunFailed` when the file cannot be written. ``deliver`` is
    given these calls, and may make them later, in their order.
    """
    outputs: list[JsonLines | Console] = []
    if path is not None:
        outputs.append(JsonLines(path))
    if console:
        outputs.append(Console())
    log: FilteringBoundLogger = structlog.wrap_logger(
        _Fanout(outputs, deliver),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.MaybeTimeStamper(fmt="iso", utc=True),
            _to_fanout,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return log.bind(**bound)


def timestamp() -> str:
    """Of a line that is about now."""
    return str(_STAMPER(None, "", {})["timestamp"])


class JsonLines:
    """Appends events to a file, one write a line, so that lines of two writers never mix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            weakref.finalize(self, os.close, self._file)
            size = os.fstat(self._file).st_size
            torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        except OSError as error:
            raise RunFailed(
                f"{path}: cannot open the log: {error.strerror}; name another folder, or make it yours"
            ) from error
        # Whoever wrote here was killed within a line, or the disk was full; what follows must not be part of
        # that one.
        self._torn = torn

    def render(self, event: EventDict) -> str:
        return to_json(event)

    def write(self, line: str) -> None:
        data = line.encode() + b"\n"
        if self._torn:
            data = b"\n" + data
        try:
            while data:
                data = data[os.write(self._file, data) :]
                self._torn = bool(data)
        except OSError as error:
            raise RunFailed(
                f"{self.path}: cannot write the log: {error.strerror}; make room or mend the disk"
            ) from error


class Console:
    """Shows events on stderr: coloured on a terminal, unless NO_COLOR is set.

    It does not wait for whoever reads there: what a full pipe or a stopped terminal does not take is left
    out, and how much that was is said as soon as there is room again.
    """

    def __init__(self) -> None:
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        self._in_words: Callable[[EventDict], str] = _in_colors() if colors else _plainly
        self._open = True
        self._left_out = 0

    def write(self, line: str) -> None:
        if not self._open:
            return
        try:
            if self._left_out and _has_room(sys.stderr):
                print(f"({self._left_out} lines were left out here)", file=sys.stderr, flush=True)
                self._left_out = 0
            if not self._left_out and _has_room(sys.stderr):
                print(line, file=sys.stderr, flush=True)
            else:
                self._left_out += 1
        except OSError:
            # The terminal or the reading end of the pipe is gone; a daemon goes on without.
            self._open = False

    def render(self, event: EventDict) -> str:
        shown = {key: _printable(value) if isinstance(value, str) else value for key, value in event.items()}
        line = self._in_words(shown)
        return line if len(line.encode()) < select.PIPE_BUF else f"{line[: select.PIPE_BUF // 4 - 2]}…"


def _in_colors() -> Callable[[EventDict], str]:
    renderer = structlog.dev.ConsoleRenderer(pad_event_to=0, sort_keys=False)
    return lambda event: renderer(None, event["level"], event)


def _plainly(event: EventDict) -> str:
    """As structlog's renderer without colours, whose columns cost ten times as much: a line for each update
    is a good part of a round's time."""
    fields = dict(event)
    head = f"{fields.pop('timestamp')} [{fields.pop('level'):<9}] {fields.pop('event')}"
    return " ".join([head, *(f"{key}={_word(value)}" for key, value in fields.items())])


def _word(value: object) -> str:
    if isinstance(value, str) and not set(value) & set(" \t=\r\n\"'"):
        return value
    return repr(value)


def _has_room(stream: TextIO) -> bool:
    """Whether a line of up to PIPE_BUF bytes can be written without waiting."""
    try:
        descriptor = stream.fileno()
    except OSError:
        return True  # no file: memory
    return bool(select.select([], [descriptor], [], 0)[1])


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    # A stranger may have written it; the renderer shows text without spaces as it is, escape sequences too.
    return "".join(char if char.isprintable() or char in "\r\n\t" else ascii(char)[1:-1] for char in text)


class _Fanout:
    """The innermost logger: hands each event to all outputs."""

    def __init__(
        self, outputs: list[JsonLines | Console], deliver: Callable[[Callable[[], None]], None]
    ) -> None:
        self._outputs = outputs
        self._deliver = deliver

    def take(self, event: EventDict) -> None:
        for output in self._outputs:
            self._deliver(partial(output.write, output.render(event)))

    debug = info = warning = error = critical = take


def _to_fanout(_: WrappedLogger, __: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event")}
    return ({**first, **event},), {}


def to_json(event: Mapping[str, Any]) -> str:
    """One line of JSON that every reader takes: NaN and infinities, which JSON lacks, become null."""
    try:
        return json.dumps(event, default=_plain, allow_nan=False, ensure_ascii=False)
    except ValueError:
        return json.dumps(_finite(event), default=_plain, ensure_ascii=False)


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return _finite(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
