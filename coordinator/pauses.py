"""For how long a loop does not look whether somebody has said something."""

import time
from collections.abc import Callable


class Pauses:
    """``clock``: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._longest_s = 0.0

    def looked(self) -> None:
        """A pause ends, and the next begins."""
        now = self._clock()
        self._longest_s = max(self._longest_s, now - self._since)
        self._since = now

    def waited(self) -> None:
        """It was waiting for something to be said since it last looked, which is no pause."""
        self._since = self._clock()

    def take(self) -> float:
        """The longest, in seconds, since it was taken last."""
        longest_s, self._longest_s = self._longest_s, 0.0
        return longest_s
