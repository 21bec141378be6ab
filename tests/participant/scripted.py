"""A coordinator that says what a test tells it to, and a participant run in a thread of the test."""

import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

import structlog
import zmq
from structlog.typing import EventDict, FilteringBoundLogger

from participant.interrupts import Interrupts
from participant.session import Session, Settings
from protocol.codec import decode, encode
from protocol.manifest import Parameters
from protocol.messages import Heartbeat, Join, Message, Ready, Welcome
from protocol.sockets import RouterSocket
from tests.participant.examples import MANIFEST, RUN, FakeRole, welcome

M = TypeVar("M", bound=Message)
DEADLINE_S = 20.0  # of a step of a test; only a failing one waits that long


class ScriptedCoordinator:
    """``peer`` is whoever spoke last. Heartbeats are answered, unless ``silent``."""

    def __init__(self, bind: str = "tcp://127.0.0.1:*") -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = RouterSocket(self._context, bind)
        self.endpoint = self._socket.endpoint
        self.parameters: Parameters | None = None
        self.peer = b""
        self.silent = False

    def __enter__(self) -> "ScriptedCoordinator":
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Gone, connections and all; the port is free when this returns."""
        self._socket.close(0)
        self._context.term()

    def expect(self, kind: type[M]) -> M:
        """The next message, heartbeats and repeated joins aside, which must be of this kind."""
        while True:
            if not self._socket.raw.poll(int(DEADLINE_S * 1000)):
                raise AssertionError(f"no {kind.__name__} in {DEADLINE_S} s")
            received = self._socket.receive()
            assert received is not None
            self.peer = received.peer
            decoded = decode(received.frames, MANIFEST)
            self.parameters = decoded.parameters
            if isinstance(decoded.message, kind):
                return decoded.message
            if isinstance(decoded.message, Heartbeat):
                if not self.silent:
                    self.send(Heartbeat(run=RUN))
            elif not isinstance(decoded.message, Join):
                raise AssertionError(f"{decoded.message!r} instead of {kind.__name__}")

    def send(self, message: Message, parameters: Parameters | None = None) -> None:
        assert self._socket.send(self.peer, encode(message, parameters))

    def send_frames(self, *frames: bytes) -> None:
        assert self._socket.send(self.peer, frames)

    def welcome_it(self, answer: Welcome | None = None) -> Ready:
        """From join to ready."""
        self.expect(Join)
        self.send(answer or welcome())
        return self.expect(Ready)


class RunningSession:
    """A session in a thread; when the test leaves it, it is stopped, if it has not ended by itself."""

    def __init__(self, settings: Settings, role: FakeRole) -> None:
        self.role = role
        self.events: list[str] = []
        self.killed: list[int] = []
        self.interrupts = Interrupts(kill=self.killed.append)
        log: FilteringBoundLogger = structlog.wrap_logger(
            None,
            processors=[self._keep],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )
        self._thread = ThreadPoolExecutor(1)
        session = Session(settings, role.open, self.interrupts, log)
        self._ended = self._thread.submit(session.run)

    def __enter__(self) -> "RunningSession":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended.done():
            self.interrupts.interrupt(signal.SIGTERM)
        self._thread.shutdown()
        self.interrupts.close()

    def exit_code(self) -> int:
        """Of the session, once it has ended; raises what it raised."""
        return self._ended.result(DEADLINE_S)

    def _keep(self, _: object, __: str, event: EventDict) -> NoReturn:
        self.events.append(event["event"])
        raise structlog.DropEvent
