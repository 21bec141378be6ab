"""The two ends on ZeroMQ: ROUTER at the coordinator, DEALER at a participant. Nothing here blocks.

Who sent a message is the socket's routing id, which libzmq draws anew for each connection; so after a
reconnect a participant is a stranger until it joins again.
"""

import contextlib
import errno
import socket
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import zmq

from protocol.addresses import Address, parse_address
from protocol.errors import UsageProblem
from protocol.header import MAX_HEADER_BYTES
from protocol.keys import KeyPair
from protocol.manifest import MAX_PARAMETERS, Manifest
from protocol.monitoring import Monitor, readable
from protocol.pieces import PIECE, lengths
from protocol.traffic import Traffic, borrowed, traffic

# Of a message to a participant: more than the largest model of three dtypes has.
MOST_FRAMES = 8 * MAX_PARAMETERS // PIECE + 8
LARGEST_FRAME = max(MAX_HEADER_BYTES, PIECE)
# Whole messages queued for one peer, or from it: enough for heartbeats during a model's transfer, and few
# enough that no peer makes the other side hold many models.
QUEUED_MESSAGES = 64
RECONNECT_FIRST_MS = 100
RECONNECT_MAX_MS = 1000
CONNECT_TIMEOUT_MS = 5000
# Four turns of a slow line and what the coordinator may need before it looks at a key.
HANDSHAKE_MS = 10_000
BACKLOG = 1024  # connections that the system keeps until they are taken: all participants may come at once
ZAP_DOMAIN = b"fedmeta"
CURVE_OVERHEAD = 33  # bytes of a MESSAGE beside its content: name, nonce, authenticator, flags (RFC 26)
LARGE = 1 << 16  # bytes of a frame that is sent from where it is; to lend less takes longer than to copy it
# As plain numbers: each operation on a flag of the enum takes as long as a system call.
_LAST, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)


Sendable = bytes | memoryview | zmq.Frame


def for_many(frames: Sequence[bytes | memoryview]) -> list[zmq.Frame]:
    """Frames that go to several peers: libzmq takes hold of their memory once, and lets go of it once."""
    return [zmq.Frame(frame, copy_threshold=LARGE) for frame in frames]


@dataclass(frozen=True, slots=True)
class Received:
    """A message. ``key``: the public key that its connection has shown, None where there are no keys.
    ``fd``: its connection's, for :meth:`RouterSocket.cut` and the events; None once nobody knows it."""

    peer: bytes
    frames: list[memoryview]
    key: str | None = None
    fd: int | None = None


class _Watched:
    """A socket and its monitor. They end in this order, also where they are forgotten: libzmq's thread waits
    for ever to tell a monitor that was closed before what it watches, and with it all connections do."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], raw: zmq.Socket[bytes]) -> None:
        self.raw = raw
        self.monitor = Monitor(context, raw)
        self._end = weakref.finalize(self, _close, self.monitor, raw, 0)
        self._end.atexit = False

    def close(self, linger_s: float) -> None:
        """Close; messages still queued get ``linger_s`` to leave, in the background. Again: nothing."""
        if self._end.detach() is not None:
            _close(self.monitor, self.raw, linger_s)


class RouterSocket(_Watched):
    """The coordinator's socket. ``send`` addresses a peer by the id that ``receive`` gave for it. What
    happens to its connections waits in ``monitor`` until it is asked for.

    A frame larger than any may be makes libzmq drop the connection before the frame is read, at both ends.
    ``manifest``: of the federation; no update has more frames than its model.

    With ``key`` everything is encrypted, and whoever connects needs a key that the context's ZAP handler
    (RFC 27) lets in; without a handler nobody gets in.

    Raises :class:`UsageProblem` for a malformed address, one that is not of this machine, or a port in use.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        bind: str,
        *,
        manifest: Manifest | None = None,
        key: KeyPair | None = None,
    ) -> None:
        address = parse_address(bind, for_bind=True)
        raw = _open(context, zmq.ROUTER, address)
        self._keyed = key is not None
        # Sending to a peer that is gone fails at once instead of dropping the message in silence.
        raw.set(zmq.ROUTER_MANDATORY, 1)
        # A second peer that claims the routing id of the first is turned away, instead of taking it over.
        raw.set(zmq.ROUTER_HANDOVER, 0)
        raw.set(zmq.BACKLOG, BACKLOG)
        _limit(raw, encrypted=key is not None)
        # The sender, a header, the tensors, and one that shows that there were more.
        self._keep = 3 + len(lengths(manifest.buffer_sizes)) if manifest is not None else MOST_FRAMES
        if key is not None:
            raw.set(zmq.CURVE_SERVER, 1)
            raw.set(zmq.CURVE_SECRETKEY, key.secret.encode())
            raw.set(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
            raw.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
        super().__init__(context, raw)
        try:
            self.raw.bind(address.url)
        except zmq.ZMQError as error:
            self.close(0)
            raise UsageProblem(_bind_problem(bind, error.errno)) from error
        self.endpoint: str = self.raw.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def send(self, peer: bytes, frames: Sequence[Sendable]) -> bool:
        """False: the peer is gone, or so many messages wait for it that it must be stuck.

        Large frames are sent from where they are, so their memory must not change afterwards.
        """
        return _send(self.raw, [peer, *frames])

    def receive(self) -> Received | None:
        """The next message, None when there is none. Of a message with more frames than any can have, only so
        many are kept that the codec refuses it."""
        parts = _receive(self.raw, self._keep)
        if parts is None:
            return None
        key, fd = _said_of(parts[-1], "User-Id") if self._keyed else None, _said_of(parts[-1], "__fd")
        frames = [part.buffer for part in parts[1:]]
        return Received(parts[0].bytes, frames, key, None if fd is None else int(fd))

    def bytes_received(self, fd: int) -> int | None:
        """On a connection, so far; None where the system does not say (not Linux), or it has gone."""
        moved = traffic(fd)
        return moved.received if moved is not None else None

    def waits(self, fd: int) -> bool:
        """Whether something is on its way that the connection does not take yet."""
        moved = traffic(fd)
        return moved is not None and moved.waiting > 0

    def address(self, fd: int) -> str | None:
        """Of the other end of a connection; None once it has gone."""
        try:
            with borrowed(fd) as connection:
                return str(connection.getpeername()[0])
        except OSError:
            return None

    def cut(self, fd: int) -> None:
        """End a connection. libzmq has no word for that; it sees the other end close."""
        with contextlib.suppress(OSError), borrowed(fd) as connection:  # it has gone by itself
            connection.shutdown(socket.SHUT_RDWR)


class DealerSocket(_Watched):
    """A participant's socket; connects in the background and goes on trying, with growing pauses.

    While there is no connection ``send`` answers False and nothing is queued: a message meant for a
    coordinator that has died must not reach the one that takes its place. ``raw`` polls ``POLLOUT`` as
    soon as there is one. After a handshake that the other end has refused libzmq tries no more; a new socket
    does. ``key`` goes with ``coordinator_key``, the public key of the one that is taken for the coordinator.

    Raises :class:`UsageProblem` for a malformed or unresolvable address.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        connect: str,
        *,
        key: KeyPair | None = None,
        coordinator_key: str | None = None,
    ) -> None:
        address = parse_address(connect, for_bind=False)
        raw = _open(context, zmq.DEALER, address)
        if key is not None and coordinator_key is not None:
            raw.set(zmq.CURVE_PUBLICKEY, key.public.encode())
            raw.set(zmq.CURVE_SECRETKEY, key.secret.encode())
            raw.set(zmq.CURVE_SERVERKEY, coordinator_key.encode())
        super().__init__(context, raw)
        self._fd: int | None = None
        _limit(raw, encrypted=key is not None)
        raw.set(zmq.IMMEDIATE, 1)
        raw.set(zmq.RECONNECT_IVL, RECONNECT_FIRST_MS)
        raw.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        raw.set(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
        try:
            self.raw.connect(address.url)
        except zmq.ZMQError as error:
            self.close(0)
            raise UsageProblem(f"{connect}: cannot connect: {error.strerror}") from error

    def send(self, frames: Sequence[Sendable]) -> bool:
        """False: not connected, or the coordinator has stopped reading; nothing was queued."""
        return _send(self.raw, frames)

    def receive(self) -> list[memoryview] | None:
        """The next message's frames, None when there is none."""
        parts = _receive(self.raw, MOST_FRAMES)
        if parts is None:
            return None
        fd = _said_of(parts[-1], "__fd")
        self._fd = None if fd is None else int(fd)
        return [part.buffer for part in parts]

    def traffic(self) -> Traffic | None:
        """On the connection that the last message came by; None before there was one."""
        return traffic(self._fd) if self._fd is not None else None


def _close(monitor: Monitor, raw: zmq.Socket[bytes], linger_s: float) -> None:
    monitor.close()
    raw.close(linger=round(linger_s * 1000))


def _open(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: Address) -> zmq.Socket[bytes]:
    opened = context.socket(kind)
    opened.set(zmq.IPV6, int(address.ipv6))
    opened.set(zmq.LINGER, 0)  # close() says how long; a forgotten socket must not hold up the process
    opened.set(zmq.SNDHWM, QUEUED_MESSAGES)
    opened.set(zmq.RCVHWM, QUEUED_MESSAGES)
    opened.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    # A peer whose machine has vanished says nothing; without keepalive its connection would stay for hours.
    opened.set(zmq.TCP_KEEPALIVE, 1)
    opened.set(zmq.TCP_KEEPALIVE_IDLE, 30)
    opened.set(zmq.TCP_KEEPALIVE_INTVL, 10)
    opened.set(zmq.TCP_KEEPALIVE_CNT, 3)
    return opened


def _limit(raw: zmq.Socket[bytes], *, encrypted: bool) -> None:
    # Of a frame that is encrypted libzmq measures what is on the wire. It takes the limit before it binds.
    raw.set(zmq.MAXMSGSIZE, LARGEST_FRAME + (CURVE_OVERHEAD if encrypted else 0))


def _send(raw: zmq.Socket[bytes], frames: Sequence[Sendable]) -> bool:
    last = len(frames) - 1
    try:
        # libzmq decides on the first frame; once that is taken, so are the others.
        for at, frame in enumerate(frames):
            raw.send(frame, _LAST if at == last else _MORE, copy=len(frame) < LARGE)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:
            return False
        raise
    return True


def _receive(raw: zmq.Socket[bytes], keep: int) -> list[zmq.Frame] | None:
    if not readable(raw):  # an exception costs ten times as much
        return None
    frame = raw.recv(_LAST, copy=False)
    parts = [frame]
    while frame.more:
        frame = raw.recv(copy=False)  # the rest of a message is there when its first frame is
        if len(parts) < keep:
            parts.append(frame)
    return parts


def _said_of(frame: zmq.Frame, what: str) -> str | None:
    try:
        return str(frame.get(what))
    except zmq.ZMQError:  # libzmq knows nothing of the kind
        return None


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
