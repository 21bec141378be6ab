"""Small writes to the disk, in a thread of their own. While a checkpoint is synced even a line waits for the
disk, a tenth of a second and more, and the loop must not wait with it."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

# A disk that is slower than the rounds for longer than that slows them down: what a kill takes along, and
# how long an interrupt takes, stays within that.
MOST_BEHIND_S = 1.0


class Background:
    """Does work in its order, and none after some that failed, of which ``notify`` tells, from the thread."""

    def __init__(self, name: str, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._last: Future[None] | None = None
        self._under_way: deque[tuple[float, Future[None]]] = deque()  # with the time at which it came

    def submit(self, work: Callable[[], None]) -> None:
        """Waits for what came over ``MOST_BEHIND_S`` ago. Raises what earlier work raised."""
        self.check()
        now = time.monotonic()
        while self._under_way and self._under_way[0][1].done():
            self._under_way.popleft()
        while self._under_way and self._under_way[0][0] < now - MOST_BEHIND_S:
            self._under_way.popleft()[1].result()
        self._last = self._thread.submit(_after, self._last, work)
        self._under_way.append((now, self._last))
        self._last.add_done_callback(self._tell)

    def check(self) -> None:
        """Raises what work has raised."""
        if self._last is not None and self._last.done():
            self._last.result()

    def flush(self) -> None:
        """Wait for all that was submitted, in whichever thread. Raises what work raised."""
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Once all that was submitted is done."""
        self._thread.shutdown(wait=True)

    def _tell(self, done: Future[None]) -> None:
        if done.exception() is not None:
            self._notify()


def _after(before: Future[None] | None, work: Callable[[], None]) -> None:
    if before is not None:
        before.result()
    work()
