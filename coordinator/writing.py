"""Writes checkpoints in a thread of its own, in order, so that a slow disk does not hold up a round."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from coordinator.checkpoints import CheckpointStore
from coordinator.effects import WriteCheckpoint
from coordinator.state import FederationState
from protocol.manifest import Parameters

MOST_WAITING = 8


@dataclass(frozen=True)
class Written:
    state: FederationState
    path: Path
    seconds: float


@dataclass(frozen=True)
class _Job:
    future: Future[Written]
    round: int
    model: Parameters


class CheckpointWriter:
    """``notify`` is called, from the thread, when something has been written or has failed; ``first``, from
    there as well, before each, to wait for what must be on the disk by then."""

    def __init__(
        self, store: CheckpointStore, notify: Callable[[], None], *, first: Callable[[], None]
    ) -> None:
        self._store = store
        self._first = first
        self._notify = notify
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._waiting: deque[tuple[WriteCheckpoint, Parameters]] = deque()
        self._running: _Job | None = None
        self._written: list[Written] = []

    def submit(self, order: WriteCheckpoint, model: Parameters) -> None:
        """``model`` must not change afterwards. Each that waits is held in memory, so with many waiting this
        waits for the disk too. Raises what writing raised."""
        if self._waiting and not self._waiting[-1][0].needed:
            self._waiting.pop()  # the disk is slower than the rounds; the newer one is the better one
        self._waiting.append((order, model))
        self._next()
        while len(self._waiting) > MOST_WAITING:
            self._wait()

    def finished(self) -> list[Written]:
        """What has become durable since the last call. Raises what writing raised."""
        self._collect()
        written, self._written = self._written, []
        return written

    def drain(self) -> list[Written]:
        """Wait for all that was submitted. Raises what writing raised."""
        while self._running is not None:
            self._wait()
        return self.finished()

    def model_of(self, number: int) -> Parameters | None:
        """The model of a round that is not on disk yet."""
        if self._running is not None and self._running.round == number:
            return self._running.model
        return next((model for order, model in self._waiting if order.state.round == number), None)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _wait(self) -> None:
        if self._running is not None:
            wait([self._running.future])
        self._collect()

    def _collect(self) -> None:
        while self._running is not None and self._running.future.done():
            self._written.append(self._running.future.result())
            self._running = None
            self._next()

    def _next(self) -> None:
        if self._running is None and self._waiting:
            order, model = self._waiting.popleft()
            future = self._thread.submit(self._write, order.state, model)
            self._running = _Job(future, order.state.round, model)
            future.add_done_callback(lambda _: self._notify())

    def _write(self, state: FederationState, model: Parameters) -> Written:
        self._first()
        begun = time.monotonic()
        path = self._store.write(state, model)
        return Written(state, path, time.monotonic() - begun)
