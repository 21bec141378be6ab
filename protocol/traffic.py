"""How far a message has come that is not yet whole: libzmq does not say, and Linux does."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOOK_S = 0.5
SLOWEST = 1024.0  # bytes a second, however small the model: less is no transfer
# Linux' struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received, then two numbers of segments and
# tcpi_notsent_bytes.
_TCP_INFO = getattr(socket, "TCP_INFO", 11)
_FIELDS, _AT = struct.Struct("=QQ8xI"), 120


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of one connection, in bytes: ``received`` and ``acknowledged`` since it began; ``waiting`` have been
    given to the system, which could not send them yet."""

    received: int
    acknowledged: int
    waiting: int


@contextmanager
def borrowed(fd: int) -> Iterator[socket.socket]:
    """A connection of libzmq's, which stays open; to use it raises :class:`OSError` once it has gone."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
    try:
        yield connection
    finally:
        connection.detach()


def traffic(fd: int) -> Traffic | None:
    """None where the system does not say, or the connection has gone."""
    try:
        with borrowed(fd) as connection:
            info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _AT + _FIELDS.size)
        acknowledged, received, waiting = _FIELDS.unpack_from(info, _AT)
    except (OSError, struct.error):
        return None
    return Traffic(received, acknowledged, waiting)


def slowest(size: int, deadline_s: float) -> float:
    """Bytes a second below which an update of that size does not arrive within a round."""
    return max(SLOWEST, size / deadline_s)


class Pace:
    """Whether bytes come at ``per_s`` or faster, from how many there have been at this time and that."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._last: tuple[int, float] | None = None

    def enough(self, count: int, now: float) -> bool:
        """Since the last answer; False when that was less than :data:`LOOK_S` ago."""
        if self._last is None:
            self._last = count, now
            return False
        before, at = self._last
        if now - at < LOOK_S:
            return False
        self._last = count, now
        return count - before >= self._per_s * (now - at)
