"""Between the network and the federation: keys, connections and their limits, and what is said of them."""

from collections.abc import Iterator
from functools import cache

import zmq

from coordinator.connections import Connections, Cut
from coordinator.doorkeeper import LOOK_S as ALLOW_LIST_S
from coordinator.doorkeeper import Doorkeeper
from coordinator.effects import Effect
from coordinator.federation import Federation
from coordinator.journal import AllowListChanged, ConnectionCut, HandshakeFailed, KeyRefused
from protocol.monitoring import Event, Happened
from protocol.sockets import Received, RouterSocket
from protocol.traffic import LOOK_S as CONNECTIONS_S

_FAILURES = {
    Happened.OTHER_MECHANISM: "other_mechanism",
    Happened.OTHER_KEY: "other_key",
    Happened.NO_HANDSHAKE: "no_handshake",
}


class Gate:
    """``doorkeeper``: None where there are no keys."""

    def __init__(
        self,
        federation: Federation,
        socket: RouterSocket,
        connections: Connections,
        doorkeeper: Doorkeeper | None,
    ) -> None:
        self._federation = federation
        self._socket = socket
        self._connections = connections
        self._doorkeeper = doorkeeper
        self._unsaid: list[Effect] = []
        self._look_at = self._read_at = 0.0  # at once
        self._failed: Event | None = None  # a handshake of the connection that libzmq says next to be closed
        self._ending: dict[int, tuple[bytes, float]] = {}  # whose connections end, and when

    @property
    def sockets(self) -> list[zmq.Socket[bytes]]:
        """Whose messages :meth:`tend` waits for."""
        return [self._socket.monitor.raw, *([self._doorkeeper.raw] if self._doorkeeper else [])]

    def wake_at(self) -> float:
        """When :meth:`tend` is wanted again, at the latest."""
        if self._doorkeeper is None:
            return self._look_at if len(self._connections) else float("inf")
        return self._read_at if not len(self._connections) else min(self._read_at, self._look_at)

    def turned_away(self, received: Received, now: float) -> list[Effect] | None:
        """As :meth:`Federation.turned_away`; the connection of a key that is not let in any more ends, after
        a while in which it can hear why."""
        if not self._connections.knows(received.fd, received.peer):
            self._unsaid += self._news(now)  # it has come before its first message, and so has its news
        effects = self._federation.turned_away(received.peer, received.key, now)
        # Else who sends too much would never be quiet.
        counts = effects is None
        self._connections.heard(received.fd, received.peer, now, key=received.key, counts=counts)
        if effects is not None and received.fd is not None and not self._let_in(received.key):
            self._ending.setdefault(received.fd, (received.peer, now + CONNECTIONS_S))
        return effects

    def tend(self, now: float) -> Iterator[list[Effect]]:
        """Answer those at the door, take note of who came and went, and end what costs too much."""
        unsaid, self._unsaid = self._unsaid, []
        yield unsaid + self._news(now)
        if self._doorkeeper is not None:
            yield from self._tend_door(self._doorkeeper, now)
        if now >= self._look_at:
            self._look_at = now + CONNECTIONS_S
            self._end_revoked(now)
            received = cache(self._socket.bytes_received)  # the system is asked once for each connection
            for peer in self._connections.bringing_on(now, received):
                self._federation.hears(peer, now)
            for cut in self._connections.too_much(now, received):
                yield self._cut(cut, now)

    def _news(self, now: float) -> list[Effect]:
        """Of connections."""
        effects: list[Effect] = []
        events = list(self._socket.monitor.events())
        # Of those that had the same descriptor only the last can be asked for its address.
        there = {event.fd: event for event in events if event.happened is Happened.ACCEPTED}
        for event in events:
            if event.happened is Happened.ACCEPTED:
                address = self._socket.address(event.fd) if event is there[event.fd] else None
                self._connections.accepted(event.fd, now, address)
            elif event.happened is Happened.CLOSED:
                address = self._connections.closed(event.fd)
                if self._failed is not None:
                    effects += self._handshake_failed(self._failed, address, now)
                    self._failed = None
            elif event.happened in _FAILURES:
                if self._failed is not None:
                    effects += self._handshake_failed(self._failed, None, now)
                self._failed = event
        return effects

    def _handshake_failed(self, failed: Event, address: str | None, now: float) -> list[Effect]:
        reason = _FAILURES[failed.happened]
        event = HandshakeFailed(self._federation.rounds.current, address, reason, failed.code)
        return self._federation.refusals.note(address or "", reason, event, now)

    def _tend_door(self, doorkeeper: Doorkeeper, now: float) -> Iterator[list[Effect]]:
        if now >= self._read_at:
            self._read_at = now + ALLOW_LIST_S
            change = doorkeeper.allowed.look()
            if change is not None:
                yield [change]
            if isinstance(change, AllowListChanged):
                yield self._federation.allow_only(doorkeeper.allowed.current, now)
        for stranger in doorkeeper.answer(now):
            reason = "unknown_key" if stranger.name is None else "revoked"
            event = KeyRefused(
                self._federation.rounds.current, stranger.address, reason, stranger.key, stranger.name
            )
            yield self._federation.refusals.note(stranger.address, reason, event, now)

    def _end_revoked(self, now: float) -> None:
        for fd, (peer, at) in list(self._ending.items()):
            if now >= at:
                del self._ending[fd]
                if self._connections.knows(fd, peer):  # and not another one that has the descriptor now
                    self._socket.cut(fd)

    def _cut(self, cut: Cut, now: float) -> list[Effect]:
        self._socket.cut(cut.fd)
        name = self._federation.name_of(cut.peer, cut.key) if cut.peer is not None else None
        event = ConnectionCut(self._federation.rounds.current, cut.reason, name)
        effects = self._federation.refusals.note(name or "", cut.reason, event, now)
        if cut.peer is not None and cut.reason == "endless":
            effects += self._federation.drop(cut.peer, "endless", now)
        return effects

    def _let_in(self, key: str | None) -> bool:
        return self._doorkeeper is None or key in self._doorkeeper.allowed.current.names
