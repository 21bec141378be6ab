"""One attempt of one round: who was asked, who has answered, and what is wrong with an update."""

from collections import Counter
from dataclasses import dataclass, field

from coordinator.transfers import Transfers
from protocol.messages import RejectReason, Update

MOST_TURNED_AWAY = 3


@dataclass(frozen=True, slots=True)
class Objection:
    """Why something received is not taken; ``detail`` is one line for people."""

    reason: RejectReason
    detail: str


@dataclass
class Attempt:
    """``deadline`` is None as long as too few participants have been there for it to be met.

    ``asked``: when each was sent the model, on the caller's clock. ``counting``: whose update is being
    looked at. ``turned_away``: how many updates of each were, for their values.
    """

    round: int
    number: int
    selected: set[str]
    begun: float
    transfers: Transfers
    deadline: float | None = None
    received: set[str] = field(default_factory=set)
    counting: set[str] = field(default_factory=set)
    turned_away: Counter[str] = field(default_factory=Counter)
    asked: dict[str, float] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        return sorted(self.selected - self.received)

    @property
    def complete(self) -> bool:
        """Nobody is missing: asked after each of a thousand updates. Whoever is received is selected."""
        return len(self.received) == len(self.selected)

    def release(self, name: str) -> None:
        """Wait no longer for one who has left; an update that it gave before still counts."""
        self.transfers.over(name)
        if name not in self.received and name not in self.counting:
            self.selected.discard(name)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An update to whose header there is no objection. ``waited``: seconds since it was asked for.
    ``messages``: that it took, two where it was offered before."""

    peer: bytes
    name: str
    update: Update
    size: int
    waited: float
    attempt: Attempt
    messages: int = 1


def update_objection(number: int, name: str, *, current: int, attempt: Attempt | None) -> Objection | None:
    """What is wrong, by its round and sender, with an update for round ``number`` from ``name``.

    ``current`` is the round that is under way or comes next; ``attempt`` is None while none is open.
    """
    if number < current:
        detail = f"round {number} is over; round {current} is the current one"
        return Objection("late" if number == current - 1 else "stale", detail)
    if number > current:
        return Objection("future", f"round {number} has not begun; round {current} is the current one")
    if attempt is not None and (name in attempt.received or name in attempt.counting):
        return Objection("duplicate", f"there is an update of {name} for round {number} already")
    if attempt is not None and attempt.turned_away[name] >= MOST_TURNED_AWAY:
        # A round is not decided while an update is looked at, so somebody could hold it up with bad ones.
        return Objection("duplicate", f"enough updates of {name} for round {number} were turned away")
    if attempt is None or name not in attempt.selected:
        return Objection("not_selected", f"{name} is not selected for round {number}")
    return None
