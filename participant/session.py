"""A participant's process: it carries the conversation out with a socket, a worker thread and a clock."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import zmq
from platformdirs import user_state_dir
from structlog.typing import FilteringBoundLogger

from participant.actions import Action, Actions, Cancel, Note, Reconnect, Send, Start, Stop
from participant.conversation import Conversation
from participant.device import prepare_device
from participant.interrupts import Interrupts
from participant.jobs import BuildJob
from participant.refusals import other_version
from participant.role import ALONE, Role
from participant.work import Worker
from protocol.codec import CodecError, decode, encode
from protocol.errors import RunFailed, UsageProblem
from protocol.keys import KeyPair
from protocol.logs import open_log
from protocol.messages import Join, Share
from protocol.sockets import DealerSocket

MESSAGES_A_TURN = 100  # then the clock is looked at, whatever a coordinator floods us with
FAREWELL_S = 1.0
PARENT_CHECK_S = 1.0
# As plain numbers, which are quicker than flags of the enum.
_IN, _OUT = int(zmq.POLLIN), int(zmq.POLLOUT)
_IN_OR_OUT = _IN | _OUT

OpenRole = Callable[[BuildJob], tuple[Role, str]]


@dataclass(frozen=True)
class Settings:
    """What the command line says. ``role`` stays here: the coordinator is told only of auditors.
    ``attacker``: which of how many that attack together. ``key`` and the public ``coordinator_key``: both, or
    none where the coordinator has no keys.

    ``state_dir`` None: the user's state directory, a folder for each run and name. ``parent``: the process
    to end with.
    """

    coordinator: str
    name: str
    role: str
    share: Share | None = None
    attacker: Share = ALONE
    key: KeyPair | None = None
    coordinator_key: str | None = None
    device: str = "auto"
    data_dir: Path | None = None
    state_dir: Path | None = None
    log: Path | None = None
    patience_s: float = 300.0
    parent: int | None = None


def run(settings: Settings, open_role: OpenRole | None = None) -> int:
    """Take part until the run is over; the exit code: 0, or 130 when interrupted.

    Raises :class:`UsageProblem` or :class:`RunFailed` with the reason, when it could not go on.
    """
    log = open_log(settings.log, console=True, participant=settings.name, role=settings.role)
    with Interrupts() as interrupts:
        return Session(settings, open_role or role_opener(settings), interrupts, log).run()


def role_opener(settings: Settings) -> OpenRole:
    """The project's own roles, on the device that the settings name."""

    def open_it(job: BuildJob) -> tuple[Role, str]:
        device = prepare_device(settings.device, settings.name)
        from participant.roles import open_role  # imports torch: seconds in which heartbeats go on

        role = open_role(
            settings.role,
            job.scenario,
            name=settings.name,
            attacker=settings.attacker,
            device=device,
            data_dir=settings.data_dir,
            state_dir=state_dir(settings, job.run),
        )
        return role, device

    return open_it


def state_dir(settings: Settings, run: str) -> Path:
    """Of what a participant keeps to itself in a run."""
    return settings.state_dir or Path(user_state_dir("fedmeta")) / run / settings.name


class Session:
    def __init__(
        self,
        settings: Settings,
        open_role: OpenRole,
        interrupts: Interrupts,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._interrupts = interrupts
        self._log = log
        self._clock = clock
        self._worker = Worker(open_role, partial(state_dir, settings), interrupts.wake)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._unconnected = False  # a join waits for a connection
        self._stop: Stop | None = None

    def run(self) -> int:
        settings = self._settings
        join = Join(
            name=settings.name,
            auditor=settings.role == "auditor",
            share=settings.share,
            software=f"fedmeta {version('fedmeta')}",
        )
        self._conversation = Conversation(
            join, settings.coordinator, settings.patience_s, self._clock(), settings.key
        )
        try:
            self._socket = self._open_socket()
            try:
                self._log.info(
                    "participant_started", coordinator=settings.coordinator, device=settings.device
                )
                while self._stop is None:
                    self._turn()
            finally:
                self._socket.close(FAREWELL_S)  # the context would end its parts in any order
        finally:
            self._worker.close()
            self._context.destroy(linger=int(FAREWELL_S * 1000))
        if self._stop.error is not None:
            raise self._stop.error
        return self._interrupts.exit_code

    def _turn(self) -> None:
        readable = self._wait()
        conversation = self._conversation
        if self._interrupts.signalled:
            return self._carry_out(conversation.leave(self._interrupts.reason))
        if self._settings.parent is not None and os.getppid() != self._settings.parent:
            return self._give_up(
                "its parent has ended",
                RunFailed(f"process {self._settings.parent}, which started this participant, has ended"),
            )
        for event in self._socket.monitor.events():
            self._carry_out(conversation.shaken(event.happened, event.code))
        due = self._clock() >= conversation.next_beat
        if readable or due:
            self._receive()
        if (ended := self._worker.outcome()) is not None:
            self._carry_out(conversation.finished(*ended))
        if due:
            conversation.moved(self._socket.traffic(), self._clock())
            self._carry_out(conversation.tick(self._clock()))
        return None

    def _wait(self) -> bool:
        """Until something happens; whether a message has come."""
        poller = zmq.Poller()
        poller.register(self._socket.raw, _IN_OR_OUT if self._unconnected else _IN)
        poller.register(self._socket.monitor.raw, _IN)
        poller.register(self._interrupts.fileno(), _IN)
        pause = min(self._conversation.next_beat - self._clock(), PARENT_CHECK_S)
        ready = dict(poller.poll(max(0, int(pause * 1000) + 1)))
        if self._interrupts.fileno() in ready:
            self._interrupts.drain()
        if ready.get(self._socket.raw, 0) & _OUT:
            self._unconnected = False
            self._carry_out(self._conversation.connected(self._clock()))
        return bool(ready.get(self._socket.raw, 0) & _IN)

    def _receive(self) -> None:
        for _ in range(MESSAGES_A_TURN):
            frames = self._socket.receive()
            if frames is None:
                return
            self._take(frames)

    def _take(self, frames: list[memoryview]) -> None:
        try:
            decoded = decode(frames, self._conversation.manifest)
        except CodecError as error:
            if error.kind == "other_version":
                problem = other_version(self._settings.coordinator, error.detail)
                return self._give_up("the protocol versions differ", problem)
            self._log.warning("message_ignored", reason=error.kind, detail=error.detail)
            return None
        return self._carry_out(
            self._conversation.received(decoded.message, decoded.parameters, self._clock())
        )

    def _give_up(self, reason: str, error: RunFailed) -> None:
        self._carry_out(self._conversation.leave(reason))
        self._stop = Stop(error)

    def _carry_out(self, actions: Actions) -> None:
        for action in actions:
            self._carry_out_one(action)

    def _carry_out_one(self, action: Action) -> None:
        match action:
            case Send():
                self._send(action)
            case Start():
                self._worker.start(action.job)
            case Cancel():
                self._worker.cancel()
            case Reconnect():
                self._reconnect()
            case Note():
                getattr(self._log, action.level)(action.event, **action.fields)
            case Stop():
                self._stop = action

    def _send(self, send: Send) -> None:
        try:
            frames = encode(send.message, send.carried)
        except ValueError as error:
            raise RunFailed(
                f"a {type(send.message).__name__} message does not fit the wire: {error}"
            ) from error
        if self._socket.send(frames):
            return
        if isinstance(send.message, Join):
            self._unconnected = True
        self._carry_out(self._conversation.undelivered(self._clock()))

    def _open_socket(self) -> DealerSocket:
        settings = self._settings
        return DealerSocket(
            self._context,
            settings.coordinator,
            key=settings.key,
            coordinator_key=settings.coordinator_key,
        )

    def _reconnect(self) -> None:
        try:
            fresh = self._open_socket()
        except UsageProblem as problem:
            # It resolved when we started: a name server that is away is waited for like the coordinator.
            self._log.warning("reconnect_failed", reason=str(problem))
            return
        self._socket.close(0)
        self._socket = fresh
