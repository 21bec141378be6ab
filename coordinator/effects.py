"""What the federation wants done. It does nothing itself; the daemon performs these, in order."""

from collections.abc import Callable
from dataclasses import dataclass

from coordinator.journal import JournalEvent
from coordinator.state import FederationState
from protocol.messages import Message
from protocol.split import ClassSplit


@dataclass(frozen=True, slots=True)
class Send:
    """A message to one connection; a train or evaluate goes with the model that it names."""

    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class DiscardUpdates:
    """A new attempt begins: the sum of updates is zero."""


@dataclass(frozen=True, slots=True)
class CloseRound:
    """Make the model of ``round`` from the updates; answer with ``Federation.round_closed``."""

    round: int
    rate: float


@dataclass(frozen=True, slots=True)
class SaveSplit:
    """The first participant's class split, which is the federation's from now on."""

    split: ClassSplit


@dataclass(frozen=True, slots=True)
class WriteCheckpoint:
    """Store the state and its model; answer with ``Federation.checkpoint_written``.

    A write that is not ``needed`` may be left out when a later one is already waiting.
    """

    state: FederationState
    needed: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """All is done and stored; close when the last messages have left."""


@dataclass(frozen=True, slots=True)
class NameModel:
    """An event of the journal that names the model after the last completed round by its digest, from which
    ``event`` makes it. To work that out takes a while, and nothing but the journal waits for it."""

    event: Callable[[str], JournalEvent]


Effect = Send | DiscardUpdates | CloseRound | SaveSplit | WriteCheckpoint | Finish | NameModel | JournalEvent
