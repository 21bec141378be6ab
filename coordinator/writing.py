"""Writes checkpoints in a thread of its own, in order, so that a slow disk never holds up a round."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from coordinator.checkpoints import CheckpointStore
from coordinator.effects import WriteCheckpoint
from coordinator.state import FederationState
from protocol.manifest import Parameters


@dataclass(frozen=True)
class Written:
    state: FederationState
    path: Path
    seconds: float


class CheckpointWriter:
    """``notify`` is called, from the thread, when something has been written or has failed."""

    def __init__(self, store: CheckpointStore, notify: Callable[[], None]) -> None:
        self._store = store
        self._notify = notify
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._waiting: deque[tuple[WriteCheckpoint, Parameters]] = deque()
        self._running: tuple[Future[Written], Parameters] | None = None

    def submit(self, order: WriteCheckpoint, model: Parameters) -> None:
        """``model`` must not change afterwards."""
        if self._waiting and not self._waiting[-1][0].needed:
            self._waiting.pop()  # the disk is slower than the rounds; the newer one is the better one
        self._waiting.append((order, model))
        self._next()

    def finished(self) -> list[Written]:
        """What has become durable since the last call. Raises what writing raised."""
        written = []
        while self._running is not None and self._running[0].done():
            written.append(self._running[0].result())
            self._running = None
            self._next()
        return written

    def drain(self) -> list[Written]:
        """Wait for all that was submitted."""
        written = []
        while self._running is not None:
            self._running[0].exception()  # waits; what it raised is raised by the next line
            written += self.finished()
        return written

    def model_of(self, number: int) -> Parameters | None:
        """The model of a round that is not on disk yet."""
        unsaved = [model for order, model in self._waiting if order.state.round == number]
        return unsaved[0] if unsaved else self._writing(number)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _writing(self, number: int) -> Parameters | None:
        if self._running is None or self._running_round != number:
            return None
        return self._running[1]

    def _next(self) -> None:
        if self._running is None and self._waiting:
            order, model = self._waiting.popleft()
            self._running_round = order.state.round
            future = self._thread.submit(self._write, order.state, model)
            self._running = (future, model)
            future.add_done_callback(lambda _: self._notify())

    def _write(self, state: FederationState, model: Parameters) -> Written:
        begun = time.monotonic()
        path = self._store.write(state, model)
        return Written(state, path, time.monotonic() - begun)
