"""Counts updates and makes models in a thread of its own where these are large, in the order of the calls, so
that whoever says something meanwhile is answered."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from coordinator.aggregation import Aggregation, BadValues
from coordinator.attempt import Arrival, Objection
from protocol.encodings import BadFrames, Encoding
from protocol.errors import RunFailed
from protocol.manifest import Parameters
from protocol.pieces import Buffer

# To hand work over and back takes as long as to count so many bytes.
SMALL = 1 << 20


@dataclass(frozen=True)
class Counted:
    """``outcome``: the norm of an update that is in the sum now, or why it is not."""

    arrival: Arrival
    outcome: float | Objection


@dataclass(frozen=True)
class Stepped:
    """Its :class:`Digested` follows."""

    model: Parameters


@dataclass(frozen=True)
class Digested:
    """Of the model that was made last."""

    digest: str


Done = Counted | Stepped | Digested


class _Task(Protocol):
    def done(self) -> bool: ...

    def result(self) -> Done | None: ...


@dataclass(frozen=True)
class _AtOnce:
    """What is done when its result is asked for, and begins no sooner."""

    work: Callable[[], Done | None]

    def done(self) -> bool:
        return True

    def result(self) -> Done | None:
        return self.work()


class Counter:
    """``updates`` is used by nobody else. ``encoding``: of the updates. ``size``: bytes of a model.
    ``notify`` is called, from the thread, when something is done; what is small is done by whoever asks for
    what is :meth:`finished`."""

    def __init__(
        self, updates: Aggregation, encoding: Encoding, size: int, notify: Callable[[], None]
    ) -> None:
        self._updates = updates
        self._encoding = encoding
        self._notify = notify
        self._thread = (
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="counting") if size > SMALL else None
        )
        self._under_way: deque[_Task] = deque()

    def add(self, arrival: Arrival, buffers: Sequence[Buffer]) -> None:
        """Count an update, whose buffers have the encoding's sizes, or say why not; their memory must not
        change afterwards."""
        self._do(lambda: Counted(arrival, self._add(buffers)))

    def clear(self) -> None:
        self._do(self._updates.clear)

    def step(self, model: Parameters, rate: float) -> None:
        made: list[Parameters] = []
        self._do(lambda: self._step(model, rate, made))
        self._do(lambda: Digested(made[0].digest()))

    def finished(self) -> Iterator[Done]:
        """What has been done, in order, each once. Raises :class:`~protocol.errors.RunFailed` where a model
        would not be finite, or something could not be done."""
        while self._under_way and self._under_way[0].done():
            try:
                done = self._under_way.popleft().result()
            except RunFailed:
                raise
            except Exception as error:
                # Raised as it is, it would end the process before anybody was told.
                said = " ".join(f"{type(error).__name__}: {error}".split())
                raise RunFailed(
                    f"an update could not be counted, or a model not be made ({said}); is there memory to "
                    "spare? --resume goes on from the last checkpoint"
                ) from error
            if done is not None:
                yield done

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _add(self, buffers: Sequence[Buffer]) -> float | Objection:
        try:
            return self._updates.add(self._encoding.decode(buffers))
        except (BadFrames, BadValues) as bad:
            return Objection(bad.reason, bad.detail)

    def _step(self, model: Parameters, rate: float, made: list[Parameters]) -> Stepped:
        made.append(self._updates.step(model, rate))
        return Stepped(made[0])

    def _do(self, work: Callable[[], Done | None]) -> None:
        if self._thread is None:
            self._under_way.append(_AtOnce(work))
            return
        future = self._thread.submit(work)
        self._under_way.append(future)
        future.add_done_callback(lambda _: self._notify())
