"""The one thread in which a role reads its data, trains and evaluates, so that heartbeats go on meanwhile."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from participant.device import more_memory, out_of_memory
from participant.jobs import (
    BuildJob,
    Built,
    Cancelled,
    Evaluated,
    EvaluateJob,
    Failed,
    Job,
    Outcome,
    Trained,
    TrainJob,
)
from participant.packing import Packer
from participant.refusals import one_line
from participant.role import Role, WorkCancelled
from protocol.encodings import ENCODINGS
from protocol.errors import FedmetaError, RunFailed


class Worker:
    """``open_role`` builds the role for a run and names the device that it is on; it is called in the worker
    thread. ``wake`` is called there too, when an outcome is to be fetched. ``state_of``: where to keep
    what a run, by its id, lost of updates.

    Not a daemon thread: a torch call that still runs while the interpreter is torn down crashes it.
    """

    def __init__(
        self,
        open_role: Callable[[BuildJob], tuple[Role, str]],
        state_of: Callable[[str], Path],
        wake: Callable[[], None],
    ) -> None:
        self._open_role = open_role
        self._state_of = state_of
        self._wake = wake
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="work")
        self._cancel = threading.Event()
        self._current: tuple[Job, Future[Outcome]] | None = None
        self._role: Role | None = None
        self._packer: Packer | None = None
        self._device = ""

    def start(self, job: Job) -> None:
        """Begin a job; the one before has ended and its outcome was fetched."""
        if self._current is not None:
            raise RuntimeError("the worker is busy")
        self._cancel.clear()
        future = self._thread.submit(self._do, job)
        self._current = (job, future)
        future.add_done_callback(lambda _: self._wake())

    def cancel(self) -> None:
        """Have the running job end at its next step; its outcome still comes."""
        self._cancel.set()

    def outcome(self) -> tuple[Job, Outcome] | None:
        """What came of the job, once it has ended; None until then."""
        if self._current is None or not self._current[1].done():
            return None
        job, future = self._current
        self._current = None
        error = future.exception()
        if error is None:
            return job, future.result()
        return job, self._ended(job, error)

    def close(self) -> None:
        """End the running job at its next step and wait for it."""
        self.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _do(self, job: Job) -> Outcome:
        begun = time.monotonic()
        if isinstance(job, BuildJob):
            self._role = None  # first, so that two models never share a device's memory
            self._role, self._device = self._open_role(job)
            encoding = ENCODINGS.get(job.scenario.federation.encoding)(self._role.manifest)
            self._packer = Packer(encoding, self._role.manifest, self._state_of(job.run))
            return Built(self._role.manifest.digest, self._role.split, _since(begun), self._device)
        if self._role is None or self._packer is None:
            raise RuntimeError("no role was built")
        match job:
            case TrainJob():
                delta = self._role.train(job.order, job.start, self._cancel.is_set)
                return Trained(self._packer.pack(job.order, delta), _since(begun))
            case EvaluateJob():
                measured = self._role.evaluate(job.order, job.model, self._cancel.is_set)
                return Evaluated(measured, _since(begun))

    def _ended(self, job: Job, error: BaseException) -> Cancelled | Failed:
        if isinstance(error, WorkCancelled):
            return Cancelled()
        if isinstance(error, FedmetaError):
            return Failed(error, f"failed while {job.doing}")
        if out_of_memory(error):
            device = self._device or "its device"
            problem = RunFailed(f"out of memory while {job.doing} on {device}; {more_memory(device)}")
            public = f"out of memory while {job.doing}"
        else:
            problem = RunFailed(f"failed while {job.doing}: {type(error).__name__}: {one_line(str(error))}")
            public = f"failed while {job.doing}"
        problem.__cause__ = error  # shown with --debug
        return Failed(problem, public)


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 6)  # to be read by people too
