"""Who is there: names, the connections they hold now, and how long each has been silent."""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.messages import Share


@dataclass
class Member:
    """A participant that has joined. ``heard``: when it last said anything, on the caller's clock. ``key``:
    the public one that its connection has shown, None where there are no keys."""

    name: str
    peer: bytes
    auditor: bool
    declared: Share | None
    heard: float
    key: str | None = None
    ready: bool = False


class Membership:
    """Names ↔ connections. The socket's routing id says who speaks; a name in a body never does.

    With each message something is asked of it, so nothing that is looks at everybody without need.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Member] = {}
        self._by_peer: dict[bytes, Member] = {}
        self._trainers: dict[str, Member] = {}  # that are ready
        self._auditors: dict[str, Member] = {}
        self._all_heard_by = float("inf")  # nobody was heard last before this time

    def add(self, member: Member) -> None:
        self._all_heard_by = min(self._all_heard_by, member.heard)
        self._no_longer_ready(member.name)
        self._by_name[member.name] = member
        self._by_peer[member.peer] = member

    def remove(self, member: Member) -> None:
        self._no_longer_ready(member.name)
        self._by_name.pop(member.name, None)
        self._by_peer.pop(member.peer, None)

    def get_ready(self, member: Member) -> None:
        """It can be given orders from now on, until it is added anew or removed."""
        member.ready = True
        ready = self._auditors if member.auditor else self._trainers
        ready[member.name] = member

    def at(self, peer: bytes) -> Member | None:
        return self._by_peer.get(peer)

    def named(self, name: str) -> Member | None:
        return self._by_name.get(name)

    def everybody(self) -> list[Member]:
        """Sorted by name, as the others that follow."""
        return _sorted(self._by_name.values())

    def ready_trainers(self) -> list[Member]:
        """Those who can be sent a model to train."""
        return _sorted(self._trainers.values())

    @property
    def trainers_ready(self) -> int:
        return len(self._trainers)

    def ready_auditors(self) -> list[Member]:
        return _sorted(self._auditors.values())

    def declared_beside(self, name: str) -> dict[int, str]:
        """Which shares others who are there have come with, and who."""
        return {m.declared.index: m.name for m in self.everybody() if m.declared and m.name != name}

    def silent(self, now: float, liveness_s: float) -> list[Member]:
        """Who has said nothing for longer than ``liveness_s``. Asked at every turn; looks at everybody only
        when somebody may be."""
        if now - self._all_heard_by <= liveness_s:
            return []
        self._all_heard_by = min((member.heard for member in self._by_name.values()), default=now)
        return [member for member in self.everybody() if now - member.heard > liveness_s]

    def excuse(self, now: float) -> None:
        """Take everybody as heard now: this process was itself suspended and could not have heard them."""
        for member in self._by_name.values():
            member.heard = now

    def _no_longer_ready(self, name: str) -> None:
        for ready in (self._trainers, self._auditors):
            ready.pop(name, None)


def _sorted(members: Iterable[Member]) -> list[Member]:
    return sorted(members, key=lambda member: member.name)
