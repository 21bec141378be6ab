"""The connections that there are, and which of them cost more than they should. Only decides: libzmq has no
limits of this kind, so :meth:`protocol.sockets.RouterSocket.cut` ends what is named here."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from protocol.header import MAX_HEADER_BYTES
from protocol.scenario import Federation as Rules
from protocol.traffic import SLOWEST, Pace, slowest

QUIET_S = 30.0
MOST = 8192
# Of one key: who comes back has an old one for a while, until the system notices.
MOST_OF_A_KEY = 4
# Bytes until the first message is whole, which is a join: up to then nobody knows whose they are.
FIRST_MESSAGE = 2 * MAX_HEADER_BYTES
# Bytes of a connection that may be here before libzmq has read them.
IN_FLIGHT = 8 * 2**20

CutReason = Literal["crowded", "quiet", "endless"]


@dataclass
class Connection:
    """``address``: of the other end, None of one that was gone too soon. ``peer``: who sends on it, and
    ``key``: the one that it has shown, both known from the first message. ``heard``: when it last said a
    whole message, brought one on, or came. ``bytes``: received until it last had, as far as has been looked
    at."""

    heard: float
    pace: Pace
    address: str | None = None
    peer: bytes | None = None
    key: str | None = None
    bytes: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    fd: int
    reason: CutReason
    peer: bytes | None
    key: str | None = None


class Connections:
    """By file descriptor, which the system gives to another connection once this one has gone.

    At most ``most`` at once, and :data:`MOST_OF_A_KEY` of one key. Whoever says nothing for ``quiet_s`` goes,
    and so does whoever sends ``endless`` bytes, at the beginning ``first``, without coming to the end of a
    message: libzmq limits a frame, and keeps any number of them.
    ``slowest``: bytes a second at which a message that is not whole yet is a sign of life.
    """

    def __init__(
        self,
        *,
        most: int,
        quiet_s: float,
        endless: int,
        now: float,
        first: int = FIRST_MESSAGE,
        slowest: float = SLOWEST,
    ) -> None:
        self._most = most
        self._quiet_s = quiet_s
        self._endless = endless
        self._first = first
        self._slowest = slowest
        self._all: dict[int, Connection] = {}
        self._looked = now

    def __len__(self) -> int:
        return len(self._all)

    def accepted(self, fd: int, now: float, address: str | None = None) -> None:
        self._all.pop(fd, None)  # so that the order is that of their coming
        self._all[fd] = Connection(now, Pace(self._slowest), address)

    def closed(self, fd: int) -> str | None:
        """The address of the other end, as far as it is known."""
        connection = self._all.pop(fd, None)
        return connection.address if connection is not None else None

    def knows(self, fd: int | None, peer: bytes) -> bool:
        """Whether this is the connection of that peer, as far as can be known."""
        return fd is None or ((connection := self._all.get(fd)) is not None and connection.peer == peer)

    def heard(
        self, fd: int | None, peer: bytes, now: float, *, key: str | None = None, counts: bool = True
    ) -> None:
        """A whole message came. ``counts``: as a sign of life."""
        if fd is not None and (connection := self._all.get(fd)) is not None:
            connection.peer, connection.key, connection.fresh = peer, key, True
            if counts:
                connection.heard = now

    def bringing_on(self, now: float, received: Callable[[int], int | None]) -> Iterator[bytes]:
        """Who is in the middle of a message, and fast enough; ``received`` as in :meth:`too_much`."""
        for fd, connection in self._all.items():
            count = received(fd) if connection.peer is not None else None
            if count is not None and connection.peer is not None and connection.pace.enough(count, now):
                connection.heard = now
                yield connection.peer

    def too_much(self, now: float, received: Callable[[int], int | None]) -> list[Cut]:
        """Those to be cut, which are forgotten with that; ``received``: the bytes that came on a connection
        until now, None where the system does not say."""
        if now - self._looked > self._quiet_s / 2:
            for connection in self._all.values():
                connection.heard = now  # this process was suspended, and could not have heard them
        self._looked = now
        cuts = [
            Cut(fd, reason, self._all[fd].peer, self._all[fd].key)
            for fd, reason in self._reasons(now, received).items()
        ]
        for cut in cuts:
            del self._all[cut.fd]
        return cuts

    def _reasons(self, now: float, received: Callable[[int], int | None]) -> dict[int, CutReason]:
        reasons: dict[int, CutReason] = {}
        for fd, connection in self._all.items():
            if now - connection.heard > self._quiet_s:
                reasons[fd] = "quiet"
            elif (count := received(fd)) is None:
                continue
            elif connection.fresh:
                connection.bytes, connection.fresh = count, False
            elif count - connection.bytes > (self._first if connection.peer is None else self._endless):
                reasons[fd] = "endless"
        reasons.update(
            dict.fromkeys(self._crowding([fd for fd in self._all if fd not in reasons]), "crowded")
        )
        return reasons

    def _crowding(self, there: list[int]) -> list[int]:
        """Who of these, in the order of their coming, is too many."""
        newer: dict[int, int] = {}  # how many of the same key have come since
        of_key: Counter[str] = Counter()
        for fd in reversed(there):
            key = self._all[fd].key
            newer[fd] = of_key[key] if key is not None else 0
            of_key.update([key] if key is not None else [])
        crowding = [fd for fd in there if newer[fd] >= MOST_OF_A_KEY]
        over = len(there) - len(crowding) - self._most
        if over <= 0:
            return crowding
        # Those of the keys that have most; of those that have never spoken the oldest, who have had their
        # time; then the newest.
        spare = sorted((fd for fd in there if 0 < newer[fd] < MOST_OF_A_KEY), key=lambda fd: -newer[fd])
        silent = [fd for fd in there if self._all[fd].peer is None]
        spoken = [fd for fd in there if self._all[fd].peer is not None and newer[fd] == 0]
        return crowding + (spare + silent + spoken[::-1])[:over]


def limited(rules: Rules, update: int, open_files: int, now: float) -> Connections:
    """What a federation needs, and no more than this process may open. An honest participant has one update
    under way, or a second one after a retry. ``update``: bytes of one."""
    message = MAX_HEADER_BYTES + update
    return Connections(
        most=max(16, min(MOST, open_files - 128)),
        quiet_s=max(QUIET_S, 3 * rules.liveness_s),
        endless=2 * message + IN_FLIGHT,
        slowest=slowest(update, rules.round_deadline_s),
        now=now,
    )
