"""What wakes the session's poll loop besides messages: signals, and the worker thread."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

INTERRUPTED = 130
_EXIT_CODES = {signal.SIGTERM: 0, signal.SIGINT: INTERRUPTED}


class Interrupts:
    """Catches SIGTERM and SIGINT while it is entered, which needs the main thread; the second ends the
    process at once, whatever a worker does. Without entering it is a mere bell to wake the loop."""

    def __init__(self, kill: Callable[[int], None] = os._exit) -> None:
        self._kill = kill
        self._first: signal.Signals | None = None
        self._listening, self._ringing = socket.socketpair()
        self._listening.setblocking(False)
        self._ringing.setblocking(False)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._caught) for number in _EXIT_CODES}
        # Python runs handlers only between its own instructions: this makes the poll return for them.
        self._wakeup_before = signal.set_wakeup_fd(self._ringing.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.close()

    def close(self) -> None:
        self._listening.close()
        self._ringing.close()

    def interrupt(self, number: signal.Signals) -> None:
        """As if the signal had been caught."""
        if self._first is not None:
            self._kill(INTERRUPTED)
        self._first = number
        self.wake()

    def _caught(self, number: int, _: FrameType | None) -> None:
        self.interrupt(signal.Signals(number))

    @property
    def signalled(self) -> bool:
        return self._first is not None

    @property
    def reason(self) -> str:
        """Why the participant leaves, for people."""
        return "interrupted" if self._first is signal.SIGINT else "stopped"

    @property
    def exit_code(self) -> int:
        """Being stopped is a proper end; being interrupted is not."""
        return 0 if self._first is None else _EXIT_CODES[self._first]

    def wake(self) -> None:
        """Make the loop's poll return. From any thread."""
        try:
            self._ringing.send(b"\0")
        except BlockingIOError:
            return  # so many rings wait to be heard that one more says nothing

    def fileno(self) -> int:
        return self._listening.fileno()

    def drain(self) -> None:
        """Forget the rings heard so far; what they announced is looked at next."""
        while True:
            try:
                if not self._listening.recv(4096):
                    return
            except BlockingIOError:
                return


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C waits meanwhile: a KeyboardInterrupt within the import of torch makes its C++ abort. It is
    raised in the main thread alone; in others there is nothing to hold back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    # Not by a mask, which would leave the signal to any other thread there is.
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)
