"""Whose messages are looked at: those of keys that are allowed, as many as anybody needs to send."""

from coordinator.admission import Refusal
from coordinator.limits import Buckets, message_buckets
from protocol.keys import AllowList
from protocol.messages import Join
from protocol.scenario import Federation as Rules

# Of one name: each is a few lines of the journal, and the model for the ready that follows. Who comes back
# over a bad line joins every few seconds at most.
JOINS = 60.0
JOINS_PER_S = 0.2


class Entry:
    """``allowed``: None where there are no keys, and a sender is whom its join says."""

    def __init__(self, rules: Rules, allowed: AllowList | None) -> None:
        self.allowed = allowed
        self._messages = message_buckets(rules)
        self._beginnings: Buckets[str] = Buckets(JOINS, JOINS_PER_S)

    def name_of(self, key: str | None) -> str | None:
        return self.allowed.names.get(key or "") if self.allowed is not None else None

    def refusal(self, peer: bytes, key: str | None, now: float) -> Refusal | None:
        """Of a message of this connection, whatever it says; to be asked once for each."""
        name = self.name_of(key)
        if self.allowed is not None and name is None:
            return Refusal("revoked", "the coordinator does not let this key in any more")
        if not self._messages.take(name or peer, now):
            return Refusal("too_fast", "more messages than anybody needs to send")
        return None

    def asked_for(self, peer: bytes, name: str, count: int = 1) -> None:
        """So many messages of this connection, whose participant has that name, were what it was asked for;
        how fast rounds follow each other is not its doing."""
        self._messages.give_back(name if self.allowed is not None else peer, count)

    def may_begin(self, name: str, now: float) -> bool:
        """Whether this name may join, or be ready, once more."""
        return self._beginnings.take(name, now)

    def claim_refusal(self, join: Join, key: str | None) -> Refusal | None:
        name = self.name_of(key)
        if name is None or join.name == name:
            return None
        return Refusal("other_name", f"this key is that of {name}, not of {join.name}")
