"""How much one sender may ask of the coordinator."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from protocol.scenario import Federation as Rules

MOST_SENDERS = 4096
WORTH_S = 60.0  # of messages may come at once: what has piled up while this process was suspended

K = TypeVar("K", bound=Hashable)


class Buckets(Generic[K]):
    """A token bucket for each sender: ``burst`` at once, ``per_s`` in the long run. Of more than ``most``
    senders the one that has been quiet for longest is forgotten."""

    def __init__(self, burst: float, per_s: float, most: int = MOST_SENDERS) -> None:
        self._burst = burst
        self._per_s = per_s
        self._most = most
        self._left: OrderedDict[K, tuple[float, float]] = OrderedDict()  # tokens, and when

    def take(self, sender: K, now: float) -> bool:
        """Whether this sender may have one more thing at ``now``, in seconds on any monotonic clock."""
        left, since = self._left.pop(sender, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._per_s)
        granted = left >= 1
        self._left[sender] = (left - 1 if granted else left, max(now, since))
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return granted

    def give_back(self, sender: K, count: int) -> None:
        """So many that were taken do not count after all."""
        if sender in self._left:
            left, since = self._left[sender]
            self._left[sender] = (left + count, since)


def message_buckets(rules: Rules) -> Buckets[str | bytes]:
    """What a participant needs, beside what it is asked for, is a heartbeat every ``heartbeat_s``, a join
    every second at most while it looks for its place, and few messages besides: it may send several times
    that."""
    per_s = 20.0 + 4.0 / rules.heartbeat_s
    return Buckets(WORTH_S * per_s, per_s)
