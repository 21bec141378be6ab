"""What libzmq says of a socket's connections: those that came and went, and handshakes that failed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count

import zmq
from zmq.utils.monitor import parse_monitor_message

_NUMBERS = count()
_READABLE = int(zmq.POLLIN)


class Happened(Enum):
    """To one connection. Which: only the first two say."""

    ACCEPTED = auto()
    CLOSED = auto()
    SHAKEN_HANDS = auto()
    KEY_REFUSED = auto()  # the other end does not let this key in
    OTHER_MECHANISM = auto()  # one end has keys, the other speaks plain
    OTHER_KEY = auto()  # what came cannot be decrypted: the other end takes another key for ours
    NO_HANDSHAKE = (
        auto()
    )  # it ended in the middle; at the end that takes another key for the coordinator's, too


@dataclass(frozen=True, slots=True)
class Event:
    """``fd``: the connection's, in this process; -1 where libzmq does not say. ``code``: libzmq's own word
    for how a handshake failed, an errno or one of its protocol errors; 0 of anything else."""

    happened: Happened
    fd: int = -1
    code: int = 0


_FAILURES = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_FAILURES |= zmq.EVENT_HANDSHAKE_FAILED_AUTH
_WANTED = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | _FAILURES


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message is there."""
    events = socket.getsockopt(zmq.EVENTS)
    assert isinstance(events, int)
    return bool(events & _READABLE)


class Monitor:
    """Of one socket; opened before it binds or connects, closed before it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], watched: zmq.Socket[bytes]) -> None:
        self._watched = watched
        address = f"inproc://fedmeta.monitor.{next(_NUMBERS)}"
        watched.monitor(address, _WANTED)
        self.raw = context.socket(zmq.PAIR)
        # libzmq waits for a monitor that is full, and with it all connections would.
        self.raw.set(zmq.RCVHWM, 0)
        self.raw.set(zmq.LINGER, 0)
        self.raw.connect(address)

    def events(self) -> Iterator[Event]:
        """What has happened since; never waits."""
        while readable(self.raw):
            parts = self.raw.recv_multipart(zmq.NOBLOCK)
            said = parse_monitor_message(parts)
            happened = _what(int(said["event"]), int(said["value"]))
            if happened in _WITH_FD:
                yield Event(happened, fd=int(said["value"]))
            elif happened is not None:
                yield Event(happened, code=int(said["value"]))

    def close(self) -> None:
        if not self._watched.closed:
            self._watched.monitor(None, 0)
        self.raw.close(linger=0)


_WITH_FD = (Happened.ACCEPTED, Happened.CLOSED)


def _what(event: int, value: int) -> Happened | None:
    match event:
        case zmq.EVENT_ACCEPTED:
            return Happened.ACCEPTED
        case zmq.EVENT_DISCONNECTED:
            return Happened.CLOSED
        case zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return Happened.SHAKEN_HANDS
        case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return Happened.KEY_REFUSED
        case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            return Happened.OTHER_MECHANISM
        case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL if value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
            return Happened.OTHER_KEY
        case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return Happened.NO_HANDSHAKE
        case _:
            return None
