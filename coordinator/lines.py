"""The journal as a file: events become its lines, in their order, when the loop has time for it."""

from collections import deque
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from coordinator.background import Background
from coordinator.journal import JournalEvent
from protocol.logs import open_log, timestamp

# To put one into words takes some 20 µs.
MOST_UNWRITTEN = 64


class Journal:
    """Writes events as lines of a log, in a thread, with the time at which they were given. ``notify`` is
    called, from there, when that has failed."""

    def __init__(self, path: Path, notify: Callable[[], None], *, console: bool, run: str) -> None:
        self._events: deque[tuple[str, JournalEvent]] = deque()
        self._lines: list[Callable[[], None]] = []
        self._log = open_log(path, console=console, deliver=self._lines.append, run=run)
        self._background = Background("journal", notify)

    def write(self, event: JournalEvent) -> None:
        """Raises :class:`~protocol.errors.RunFailed` when an earlier line could not be written."""
        self._events.append((timestamp(), event))
        if len(self._events) > MOST_UNWRITTEN:
            self.hand_over()

    def hand_over(self) -> None:
        """Have all events written, without waiting for it. Raises as :meth:`write`."""
        self._background.check()
        try:
            while self._events:
                when, event = self._events.popleft()
                values = {field.name: getattr(event, field.name) for field in fields(event)}
                getattr(self._log, event.level)(event.name(), timestamp=when, **values)
        finally:
            if self._lines:
                lines = self._lines.copy()
                self._lines.clear()
                self._background.submit(lambda: _call_all(lines))

    def written(self) -> None:
        """Wait for all that was handed over, in whichever thread. Raises as :meth:`write`."""
        self._background.flush()

    def flush(self) -> None:
        """Write all events. Raises :class:`~protocol.errors.RunFailed` when that cannot be done."""
        self.hand_over()
        self.written()

    def close(self) -> None:
        """What was handed over has been written then, or cannot be."""
        self._background.close()


def _call_all(works: list[Callable[[], None]]) -> None:
    for work in works:
        work()
