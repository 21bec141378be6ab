"""The launcher's loop: starts a local run's processes, watches them and the journal, leaves none behind."""

import shutil
import signal
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NoReturn

from coordinator.reading.events import RunResumed, RunStarted
from coordinator.reading.fold import Reading
from coordinator.reading.follow import JournalTail
from coordinator.reading.progress import Progress
from deploy.children import Bell, Child, await_exit, end_all
from deploy.plan import (
    ANY_LOCAL_PORT,
    AUDITOR,
    COORDINATOR,
    LocalRun,
    coordinator_arguments,
    participant_arguments,
)
from protocol.errors import FedmetaError, RunFailed

LOOK_S = 0.2  # how often the journal is looked at
GRACE_S = 10.0  # for a process to end once it was asked to
CHECKPOINT_S = 60.0  # for the coordinator to write its last checkpoint
LEAST_FREE = 2**16  # bytes, for some lines of a log
MAX_RESTARTS = 5  # of one process, with no round completed in between


class Interrupted(FedmetaError):
    """The user ended the run; it can be continued."""

    exit_code = 130


class Verdict(Enum):
    """What the end of a process means while the run goes on."""

    RESTART = "it was killed, and is started again"
    GIVE_UP = "it is killed again and again"
    LEFT = "it ended as it may"
    FAILED = "it says why"


def judge(exit_code: int, restarts: int) -> Verdict:
    """``exit_code``: negative for a signal; ``restarts``: how often it was started again in vain."""
    if exit_code < 0:
        return Verdict.RESTART if restarts < MAX_RESTARTS else Verdict.GIVE_UP
    return Verdict.LEFT if exit_code in (0, Interrupted.exit_code) else Verdict.FAILED


class Supervisor:
    """``tail`` stands at the end of what ``reading`` has taken in: a resumed run's past."""

    def __init__(
        self,
        run: LocalRun,
        *,
        min_updates: int,
        tail: JournalTail,
        reading: Reading,
        progress: Progress,
        bell: Bell,
        start: Callable[[str, list[str], Path], Child],
    ) -> None:
        self.run = run
        self._min_updates = min_updates
        self._tail = tail
        self._reading = reading
        self._progress = progress
        self._bell = bell
        self._start_child = start
        self._endpoint: str | None = None
        self._children: dict[str, Child] = {}

    def supervise(self, *, resume: bool) -> None:
        """Returns once the run is complete. Raises :class:`RunFailed` with the reason, or
        :class:`Interrupted`. No process is left in any case."""
        try:
            self._children[COORDINATOR] = self._start(
                COORDINATOR, coordinator_arguments(self.run, resume=resume)
            )
            while not self._coordinator_is_done():
                self._bell.wait(LOOK_S)
                if self._bell.interrupts:
                    self._interrupted("interrupted")
                self._look()
                for name in [*self._children]:
                    self._tend(name)
            self._look()
            # They have been told that it is over.
            await_exit([*self._children.values()], self._bell, GRACE_S)
        finally:
            end_all([*self._children.values()], self._bell, GRACE_S)

    def _start(self, name: str, arguments: list[str]) -> Child:
        return self._start_child(name, arguments, self.run.stderr_of(name))

    def _coordinator_is_done(self) -> bool:
        return self._children[COORDINATOR].exit_code == 0

    def _look(self) -> None:
        """Take in what is new in the journal."""
        events = [event for line in self._tail.new_lines() if (event := self._reading.feed(line))]
        self._progress.update(events, self._reading)
        for event in events:
            if event.event == "round_completed":
                for child in self._children.values():
                    child.restarts = 0
            if isinstance(event, RunStarted | RunResumed) and event.endpoint:
                self._coordinator_listens(event.endpoint)

    def _coordinator_listens(self, endpoint: str) -> None:
        self._endpoint = endpoint
        for name in self.run.roles:
            if name not in self._children:
                self._children[name] = self._start(name, participant_arguments(self.run, name, endpoint))

    def _tend(self, name: str) -> None:
        """Do what the end of a process asks for; nothing if it runs."""
        child = self._children[name]
        exit_code = child.exit_code
        if exit_code is None or (name == COORDINATOR and exit_code == 0):
            return
        if name != COORDINATOR and self._reading.info.status == "completed":
            return
        match judge(exit_code, child.restarts):
            case Verdict.RESTART:
                self._restart(child, -exit_code)
            case Verdict.GIVE_UP:
                killed = f"{name} was killed ({signal.Signals(-exit_code).name}) {child.restarts + 1} times"
                self._fail(f"{killed} without a round in between; see {child.stderr}")
            case Verdict.FAILED:
                self._failed(child)
            case Verdict.LEFT:
                self._left(child)

    def _restart(self, child: Child, number: int) -> None:
        self._progress.note(f"{child.name} was killed ({signal.Signals(number).name}) and is started again")
        if child.name == COORDINATOR:
            # On the port that the participants know; from its checkpoints if it got as far as beginning.
            bind = self._endpoint or ANY_LOCAL_PORT
            began = self._endpoint is not None or any((self.run.run_dir / "checkpoints").glob("*.json"))
            arguments = coordinator_arguments(self.run, bind=bind, resume=began)
        else:
            assert self._endpoint
            arguments = participant_arguments(self.run, child.name, self._endpoint)
        again = self._start(child.name, arguments)
        again.restarts = child.restarts + 1
        self._children[child.name] = again

    def _failed(self, child: Child) -> NoReturn:
        self._look()
        coordinator = self._children[COORDINATOR]
        if self._reading.info.status == "failed":
            # A failed run makes the participants fail as well; the coordinator knows the reason.
            await_exit([coordinator], self._bell, GRACE_S)
            child = coordinator if coordinator.exit_code else child
        if self._no_space():
            # What it wrote of it may be cut off, and the coordinator's reason be nowhere.
            where = self.run.run_dir
            self._fail(
                f"no space is left in {where}: make room, then go on with fedmeta run --resume {where} "
                f"(the last that {child.name} could write: {child.last_words()})"
            )
        if child is coordinator:
            raise RunFailed(child.last_words())
        self._fail(f"{child.name}: {child.last_words()}")

    def _no_space(self) -> bool:
        return shutil.disk_usage(self.run.run_dir).free < LEAST_FREE

    def _left(self, child: Child) -> None:
        self._look()
        if child.name == COORDINATOR:
            self._interrupted("the coordinator was interrupted")
        if self._reading.info.status != "running":
            return
        self._progress.note(f"{child.name} has left")
        del self._children[child.name]
        there = sum(name not in (COORDINATOR, AUDITOR) for name in self._children)
        if there < self._min_updates:
            need = f"a round needs {self._min_updates} (federation.min_updates)"
            self._fail(f"{child.name} has left; only {there} participants remain, and {need}")

    def _fail(self, reason: str) -> NoReturn:
        """Have the coordinator store what there is, and give up."""
        self._stop_coordinator()
        raise RunFailed(reason)

    def _interrupted(self, what: str) -> NoReturn:
        # The coordinator first: a participant that leaves before it would be struck off the roster.
        answered = self._bell.interrupts  # before somebody is told to interrupt again, and does
        self._progress.note("stopping: the coordinator writes a checkpoint (Ctrl-C again kills it)")
        stored = self._stop_coordinator(answered)
        self._look()
        if not stored:
            for child in self._children.values():
                child.kill()
            what = "killed"
        info, completed = self._reading.info, self._reading.history().completed
        done = f"{what} after round {completed[-1].number}" if completed else f"{what} before the first round"
        if info.checkpoint is None:
            raise Interrupted(f"{done}; there is no checkpoint to go on from")
        where = f"the checkpoint of round {info.checkpoint}"
        raise Interrupted(f"{done}; go on from {where} with: fedmeta run --resume {self.run.run_dir}")

    def _stop_coordinator(self, answered: int | None = None) -> bool:
        """Whether it ended by itself, with a checkpoint written."""
        coordinator = self._children[COORDINATOR]
        coordinator.send(signal.SIGINT)
        ended = await_exit([coordinator], self._bell, CHECKPOINT_S, answered)
        return ended and coordinator.exit_code == 130
