"""For how long a loop does not look whether somebody has said something."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pause:
    """``busy_s``: for how long of its ``seconds`` the loop ran. Otherwise it waited for something, or for a
    processor."""

    seconds: float = 0.0
    busy_s: float = 0.0


class Pauses:
    """``clock``: seconds; ``busy``: seconds for which this thread has had a processor."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, busy: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock = clock
        self._busy = busy
        self._longest = Pause()
        self._begin()

    def looked(self) -> None:
        """A pause ends, and the next begins."""
        since, busy_since = self._since, self._busy_since
        self._begin()
        seconds = self._since - since
        if seconds > self._longest.seconds:
            self._longest = Pause(seconds, self._busy_since - busy_since)

    def waited(self) -> None:
        """It was waiting for something to be said since it last looked, which is no pause."""
        self._begin()

    def take(self) -> Pause:
        """The longest since it was taken last."""
        longest, self._longest = self._longest, Pause()
        return longest

    def _begin(self) -> None:
        self._since = self._clock()
        self._busy_since = self._busy()
