"""A journal that grows: what is new in it since the last look, and waiting for more at a bounded rate."""

import time
from collections.abc import Iterator
from pathlib import Path

from coordinator.reading.events import Event
from coordinator.reading.fold import Reading

POLL_S = 0.2


class JournalTail:
    """Reads whole lines as they come; the file need not exist yet. A last line without its end waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole if line.strip()]


def follow(path: Path, reading: Reading, poll_s: float = POLL_S) -> Iterator[list[Event]]:
    """Feed the journal to ``reading``, batch by batch, and yield each batch, an empty one for each look
    that found nothing new; returns once the run has ended."""
    tail = JournalTail(path)
    while True:
        events = [event for line in tail.new_lines() if (event := reading.feed(line))]
        yield events
        if reading.info.status != "running":
            return
        time.sleep(poll_s)  # a file that grows announces it in no portable way
