"""The journal as a file: events become its lines, in their order, when the loop has time for it."""

from collections import deque
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from coordinator.background import Background
from coordinator.journal import JournalEvent
from protocol.logs import open_log, timestamp

# To put one into words takes some 50 µs: a few milliseconds at most.
MOST_WAITING = 64


class Journal:
    """Writes events as lines of a log, with the time at which they were given."""

    def __init__(self, path: Path, background: Background, *, console: bool, run: str) -> None:
        self._background = background
        self._events: deque[tuple[str, JournalEvent]] = deque()
        self._lines: list[Callable[[], None]] = []
        self._log = open_log(path, console=console, write=self._lines.append, run=run)

    def write(self, event: JournalEvent) -> None:
        """Raises :class:`~protocol.errors.RunFailed` when an earlier line could not be written."""
        self._events.append((timestamp(), event))
        if len(self._events) > MOST_WAITING:
            self.hand_over()

    def hand_over(self) -> None:
        """Have all events written, without waiting for it. Raises as :meth:`write`."""
        self._background.check()
        while self._events:
            when, event = self._events.popleft()
            values = {field.name: getattr(event, field.name) for field in fields(event)}
            getattr(self._log, event.level)(event.name(), timestamp=when, **values)
        if self._lines:
            lines = self._lines.copy()
            self._lines.clear()
            self._background.submit(lambda: _call_all(lines))

    def flush(self) -> None:
        """Write all events. Raises :class:`~protocol.errors.RunFailed` when that cannot be done."""
        self.hand_over()
        self._background.flush()


def _call_all(works: list[Callable[[], None]]) -> None:
    for work in works:
        work()
