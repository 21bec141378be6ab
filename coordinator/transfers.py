"""Whose large update comes next: all at once, they would fill the memory of the coordinator."""

from dataclasses import dataclass, field

# That are under way at a time: while one is counted, the next one comes.
AT_ONCE = 2
# After so long a transfer holds up nobody any more: its link is slower than the coordinator's.
SLOW_S = 0.5


@dataclass
class Transfers:
    """Of one attempt. ``offered``: who waits, in the order of their offers, with their connections;
    ``fetched``: who was told to send, and when."""

    offered: dict[str, bytes] = field(default_factory=dict)
    fetched: dict[str, float] = field(default_factory=dict)

    def offer(self, name: str, peer: bytes) -> None:
        """Also again, on another connection."""
        self.over(name)
        self.offered[name] = peer

    def over(self, name: str) -> None:
        """It has been counted, or will not come."""
        self.offered.pop(name, None)
        self.fetched.pop(name, None)

    def next(self, now: float) -> list[bytes]:
        """The connections of those who are to send now."""
        free = AT_ONCE - sum(now - begun < SLOW_S for begun in self.fetched.values())
        names = list(self.offered)[: max(0, free)]
        self.fetched.update(dict.fromkeys(names, now))
        return [self.offered.pop(name) for name in names]

    def wake_at(self) -> float | None:
        """When :meth:`next` may have somebody, if nothing else happens."""
        if not self.offered:
            return None
        return min((begun + SLOW_S for begun in self.fetched.values()), default=0.0)
