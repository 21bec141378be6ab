"""Ends a poll from outside: a pipe that signals and finished writes write to, and the loop polls."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 130


class Wakeup:
    """``notify`` may be called from any thread. ``interrupted``: why the process is to end, once it is."""

    def __init__(self) -> None:
        self.interrupted: str | None = None
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        return self._read

    def notify(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._write, b"\0")

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM set ``interrupted`` and wake the loop; the second one ends the process at once.
        Only in the main thread."""

        def handle(number: int, frame: FrameType | None) -> None:
            if self.interrupted is not None:
                os._exit(INTERRUPTED)
            self.interrupted = signal.Signals(number).name

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        # The byte is written even when the signal comes just before the poll, where Python's own handler
        # would run only after it.
        fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)
