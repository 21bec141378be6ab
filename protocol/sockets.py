"""The two ends on ZeroMQ: ROUTER at the coordinator, DEALER at a participant. Nothing here blocks.

Who sent a message is the socket's routing id, which libzmq draws anew for each connection; so after a
reconnect a participant is a stranger until it joins again.
"""

import errno
from collections.abc import Sequence

import zmq

from protocol.addresses import Address, parse_address
from protocol.errors import UsageProblem
from protocol.header import MAX_HEADER_BYTES
from protocol.manifest import Manifest

# A header, a buffer of each of three dtypes, and one that shows that there were more.
MAX_FRAMES = 5
# Whole messages queued for one peer, or from it: enough for heartbeats during a model's transfer, and few
# enough that no peer makes the other side hold many models.
QUEUED_MESSAGES = 64
RECONNECT_FIRST_MS = 100
RECONNECT_MAX_MS = 1000
CONNECT_TIMEOUT_MS = 5000


class RouterSocket:
    """The coordinator's socket. ``send`` addresses a peer by the id that ``receive`` gave for it.

    With ``manifest`` (of the federation), a frame larger than a header or the largest of its buffers makes
    libzmq drop the connection before the frame is read. libzmq takes that limit only before it binds.

    Raises :class:`UsageProblem` for a malformed address, one that is not of this machine, or a port in use.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], bind: str, *, manifest: Manifest | None = None
    ) -> None:
        address = parse_address(bind, for_bind=True)
        self.raw = _open(context, zmq.ROUTER, address)
        # Sending to a peer that is gone fails at once instead of dropping the message in silence.
        self.raw.set(zmq.ROUTER_MANDATORY, 1)
        # A second peer that claims the routing id of the first is turned away, instead of taking it over.
        self.raw.set(zmq.ROUTER_HANDOVER, 0)
        if manifest is not None:
            self.raw.set(zmq.MAXMSGSIZE, max((MAX_HEADER_BYTES, *manifest.buffer_sizes)))
        try:
            self.raw.bind(address.url)
        except zmq.ZMQError as error:
            self.raw.close(linger=0)
            raise UsageProblem(_bind_problem(bind, error.errno)) from error
        self.endpoint: str = self.raw.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def send(self, peer: bytes, frames: Sequence[bytes | memoryview]) -> bool:
        """False: the peer is gone, or so many messages wait for it that it must be stuck.

        Large frames are sent from where they are, so their memory must not change afterwards.
        """
        return _send(self.raw, [peer, *frames])

    def receive(self) -> tuple[bytes, list[memoryview]] | None:
        """The next message as (peer, frames), None when there is none. Of a message with more frames than
        any can have, only the first :data:`MAX_FRAMES` are kept, which the codec refuses."""
        parts = _receive(self.raw, 1 + MAX_FRAMES)
        return (parts[0].tobytes(), parts[1:]) if parts else None

    def close(self, linger_s: float) -> None:
        """Close; messages still queued get ``linger_s`` to leave, in the background."""
        self.raw.close(linger=round(linger_s * 1000))


class DealerSocket:
    """A participant's socket; connects in the background and goes on trying, with growing pauses.

    While there is no connection ``send`` answers False and nothing is queued: a message meant for a
    coordinator that has died must not reach the one that takes its place. ``raw`` polls ``POLLOUT`` as
    soon as there is one.

    Raises :class:`UsageProblem` for a malformed or unresolvable address.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], connect: str) -> None:
        address = parse_address(connect, for_bind=False)
        self.raw = _open(context, zmq.DEALER, address)
        self.raw.set(zmq.IMMEDIATE, 1)
        self.raw.set(zmq.RECONNECT_IVL, RECONNECT_FIRST_MS)
        self.raw.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self.raw.set(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
        try:
            self.raw.connect(address.url)
        except zmq.ZMQError as error:
            self.raw.close(linger=0)
            raise UsageProblem(f"{connect}: cannot connect: {error.strerror}") from error

    def send(self, frames: Sequence[bytes | memoryview]) -> bool:
        """False: not connected, or the coordinator has stopped reading; nothing was queued."""
        return _send(self.raw, frames)

    def receive(self) -> list[memoryview] | None:
        """The next message's frames, None when there is none."""
        return _receive(self.raw, MAX_FRAMES)

    def close(self, linger_s: float) -> None:
        """Close; messages still queued get ``linger_s`` to leave, in the background."""
        self.raw.close(linger=round(linger_s * 1000))


def _open(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: Address) -> zmq.Socket[bytes]:
    opened = context.socket(kind)
    opened.set(zmq.IPV6, int(address.ipv6))
    opened.set(zmq.LINGER, 0)  # close() says how long; a forgotten socket must not hold up the process
    opened.set(zmq.SNDHWM, QUEUED_MESSAGES)
    opened.set(zmq.RCVHWM, QUEUED_MESSAGES)
    # A peer whose machine has vanished says nothing; without keepalive its connection would stay for hours.
    opened.set(zmq.TCP_KEEPALIVE, 1)
    opened.set(zmq.TCP_KEEPALIVE_IDLE, 30)
    opened.set(zmq.TCP_KEEPALIVE_INTVL, 10)
    opened.set(zmq.TCP_KEEPALIVE_CNT, 3)
    return opened


def _send(raw: zmq.Socket[bytes], frames: Sequence[bytes | memoryview]) -> bool:
    try:
        # libzmq decides on the first frame; once that is taken, so are the others.
        raw.send_multipart(frames, flags=zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:
            return False
        raise
    return True


def _receive(raw: zmq.Socket[bytes], keep: int) -> list[memoryview] | None:
    try:
        frame = raw.recv(flags=zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return None
    parts = [frame.buffer]
    while frame.more:
        frame = raw.recv(copy=False)  # the rest of a message is there when its first frame is
        if len(parts) < keep:
            parts.append(frame.buffer)
    return parts


def _bind_problem(bind: str, code: int | None) -> str:
    match code:
        case errno.EADDRINUSE:
            return f"{bind}: the port is in use, perhaps by another coordinator; choose another"
        case errno.EADDRNOTAVAIL | errno.ENODEV:
            return f"{bind}: not an address of this machine; tcp://*:PORT listens on all of its addresses"
        case errno.EACCES:
            return f"{bind}: not allowed to listen there; ports from 1024 up are free to all"
        case _:
            return f"{bind}: cannot listen: {zmq.strerror(code or 0)}"
