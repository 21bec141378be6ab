"""What is turned away is counted, said once, and answered within bounds, whoever sends it how often."""

from collections import Counter, OrderedDict

MOST_PEERS = 4096
ANSWERS = 20
ANSWERS_PER_S = 5.0
MOST_SAID = 4096


class Refusals:
    """The count of refusals since the last completed round, and how much is said about them.

    An answer to garbage costs its sender nothing, so each connection gets at most :data:`ANSWERS` in a
    burst and :data:`ANSWERS_PER_S` in the long run (a token bucket each; the longest unused is forgotten).
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._said: set[tuple[str, str]] = set()
        self._tokens: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def count(self, who: str, reason: str) -> bool:
        """Count one; whether it is worth a line in the journal (the first of its kind since the round)."""
        self.counts[reason] += 1
        if (who, reason) in self._said or len(self._said) >= MOST_SAID:
            return False
        self._said.add((who, reason))
        return True

    def may_answer(self, peer: bytes, now: float) -> bool:
        tokens, since = self._tokens.pop(peer, (float(ANSWERS), now))
        tokens = min(float(ANSWERS), tokens + (now - since) * ANSWERS_PER_S)
        allowed = tokens >= 1
        self._tokens[peer] = (tokens - 1 if allowed else tokens, now)
        if len(self._tokens) > MOST_PEERS:
            self._tokens.popitem(last=False)
        return allowed

    def next_round(self) -> dict[str, int]:
        """The counts by reason, which start again from nothing."""
        counts = dict(sorted(self.counts.items()))
        self.counts.clear()
        self._said.clear()
        return counts
