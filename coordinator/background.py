"""Small writes to the disk, in a thread of their own. While a checkpoint is synced even a line waits for the
disk, a tenth of a second and more, and the loop must not wait with it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Background:
    """Does work in its order, and none after some that failed, of which ``notify`` tells, from the thread."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._last: Future[None] | None = None

    def submit(self, work: Callable[[], None]) -> None:
        """Raises what earlier work raised."""
        self.check()
        self._last = self._thread.submit(_after, self._last, work)
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
        self._thread.shutdown(wait=True)

    def _tell(self, done: Future[None]) -> None:
        if done.exception() is not None:
            self._notify()


def _after(before: Future[None] | None, work: Callable[[], None]) -> None:
    if before is not None:
        before.result()
    work()
