"""Whose update comes next, where there are too many at once for the coordinator's memory."""

from itertools import islice

# Bytes of updates that may be on their way at a time.
IN_FLIGHT = 64 * 2**20
# That are under way at a time at least: while one is counted, the next one comes.
AT_LEAST = 2
# After so long, and what it takes at so many bytes a second, a transfer holds up nobody any more: its link is
# slower than the coordinator's.
SLOW_S = 0.5
SLOW_RATE = 20e6


def at_once(size: int) -> int:
    """How many updates of ``size`` bytes may be on their way."""
    return max(AT_LEAST, IN_FLIGHT // max(1, size))


class Transfers:
    """Of one attempt, to which so many ``participants`` give an update of ``size`` bytes each. Times are in
    seconds on the caller's clock."""

    def __init__(self, participants: int, size: int) -> None:
        self.in_turn = participants > at_once(size)
        self.slow_s = SLOW_S + size / SLOW_RATE
        self._at_once = at_once(size)
        self._offered: dict[str, bytes] = {}  # who waits, in the order of their offers
        self._fetched: dict[str, float] = {}  # who was told to send, and when, in that order

    def offer(self, name: str, peer: bytes) -> None:
        """Also again, on another connection."""
        self.over(name)
        self._offered[name] = peer

    def over(self, name: str) -> None:
        """It has been counted, or will not come."""
        self._offered.pop(name, None)
        self._fetched.pop(name, None)

    def offered(self, name: str) -> bool:
        """Whether it is this one's turn because of an offer."""
        return name in self._fetched

    def next(self, now: float) -> list[bytes]:
        """The connections of those who are to send now."""
        if not self._offered:
            return []
        while self._fetched:
            name, begun = next(iter(self._fetched.items()))
            if now < begun + self.slow_s:
                break
            del self._fetched[name]
        names = list(islice(self._offered, max(0, self._at_once - len(self._fetched))))
        self._fetched.update(dict.fromkeys(names, now))
        return [self._offered.pop(name) for name in names]

    def wake_at(self) -> float | None:
        """When :meth:`next` may have somebody, if nothing else happens."""
        if not self._offered:
            return None
        return next((begun + self.slow_s for begun in self._fetched.values()), 0.0)
