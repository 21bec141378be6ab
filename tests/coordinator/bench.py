"""A federation without a network: participants are names, time is a number, effects are performed at once."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from coordinator.aggregation import UpdateSum
from coordinator.attempt import Arrival, Objection
from coordinator.effects import (
    CloseRound,
    DiscardUpdates,
    Effect,
    Finish,
    NameModel,
    SaveSplit,
    Send,
    WriteCheckpoint,
)
from coordinator.federation import Federation
from coordinator.journal import JournalEvent
from coordinator.pauses import Pause
from coordinator.state import FederationState
from protocol.keys import AllowList
from protocol.messages import (
    EvaluationReport,
    Heartbeat,
    Join,
    Leave,
    Measurement,
    Message,
    Offer,
    Ready,
    Share,
    Train,
    Update,
)
from protocol.scenario import Scenario
from protocol.split import ClassSplit
from tests.coordinator import tiny

RUN = "0123456789abcdef"
E = TypeVar("E", bound=JournalEvent)
M = TypeVar("M", bound=Message)


class Bench:
    """``sent``: messages by name of the receiver; ``events``: the journal; ``written``: checkpoints' states.

    Peers in ``unreachable`` cannot be sent to. A checkpoint becomes durable at once, unless ``slow_disk``.
    Updates are counted, and models made, at once and in order, unless ``slow_counting``; those of
    participants in ``bad`` have bad values. ``allowed``: those who have keys, None: there are none.
    """

    def __init__(
        self,
        scenario: Scenario,
        state: FederationState | None = None,
        *,
        split: ClassSplit | None = None,
        update_size: int = 64,
        allowed: Sequence[str] | None = None,
    ) -> None:
        self.now = 100.0
        self.scenario = scenario
        self.model = tiny.initial_parameters(scenario)
        self.sum = UpdateSum(tiny.MANIFEST)
        self.federation = Federation(
            scenario,
            tiny.MANIFEST,
            state or FederationState(run=RUN, round=0),
            split=split,
            now=self.now,
            update_size=update_size,
            allowed=AllowList({_key_of(name): name for name in allowed}) if allowed is not None else None,
        )
        self._keyed = allowed is not None
        self.events: list[JournalEvent] = []
        self.sent: dict[str, list[Message]] = {}
        self.written: list[FederationState] = []
        self.splits: list[ClassSplit] = []
        self.finished = False
        self.unreachable: set[bytes] = set()
        self.slow_disk = False
        self.slow_counting = False
        self.bad: set[str] = set()
        self._jobs: deque[Callable[[], list[Effect]]] = deque()
        self._names: dict[bytes, str] = {}
        self._connections: dict[str, int] = {}
        self.perform(self.federation.start(self.now))

    # What participants do

    def peer(self, name: str) -> bytes:
        """The connection that the participant has now."""
        peer = tiny.peer_of(name, self._connections.get(name, 0))
        self._names[peer] = name
        return peer

    def join(self, name: str, *, auditor: bool = False, share: Share | None = None) -> None:
        holder = self.federation.membership.named(name)
        reachable = holder is not None and holder.peer not in self.unreachable
        join = Join(name=name, auditor=auditor, share=share, software="test")
        key = self._key(name)
        effects = self.federation.join(self.peer(name), join, self.now, holder_reachable=reachable, key=key)
        self.perform(effects)

    def ready(self, *names: str, auditor: bool = False, share: Share | None = None) -> None:
        """Join and be ready."""
        for name in names:
            self.join(name, auditor=auditor, share=share)
            self.say(name, Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=tiny.SPLIT))

    def say(self, name: str, message: Message) -> None:
        key = self._key(name)
        self.perform(self.federation.receive(self.peer(name), message, self.now, key=key))  # type: ignore[arg-type]

    def turned_away(self, name: str) -> bool:
        """Whether its next message is not looked at; to be asked before it, where that matters."""
        effects = self.federation.turned_away(self.peer(name), self._key(name), self.now)
        self.perform(effects or [])
        return effects is not None

    def beat(self, *names: str) -> None:
        for name in names:
            self.say(name, Heartbeat(run=RUN))

    def update(self, name: str, number: int | None = None, *, run: str = RUN) -> None:
        """Its update for that round, or for the current one."""
        number = self.federation.rounds.current if number is None else number
        message = Update(run=run, round=number, seconds=0.5)
        arrival = self.federation.update(self.peer(name), message, self.now, size=64, key=self._key(name))
        if not isinstance(arrival, Arrival):
            self.perform(arrival)
            return
        self._jobs.append(lambda: self.federation.counted(arrival, self._count(name, number), self.now))
        self._work()

    def play(self, rounds: int = 1) -> None:
        """Whole rounds, to which all who are selected send their updates."""
        for _ in range(rounds):
            for name in sorted(self.selected):
                self.update(name)

    def offer(self, name: str, number: int | None = None) -> None:
        """That it has an update for that round, or for the current one."""
        number = self.federation.rounds.current if number is None else number
        self.say(name, Offer(run=RUN, round=number))

    def count(self) -> None:
        """What has arrived while ``slow_counting`` is counted now."""
        while self._jobs:
            self.count_one()

    def count_one(self) -> None:
        if self._jobs:
            self.perform(self._jobs.popleft()())

    def _key(self, name: str) -> str | None:
        return _key_of(name) if self._keyed else None

    def _work(self) -> None:
        if not self.slow_counting:
            self.count()

    def _count(self, name: str, number: int) -> float | Objection:
        if name in self.bad:
            return Objection("non_finite", "test")
        return self.sum.add(tiny.update(name, number))

    def _clear(self) -> list[Effect]:
        self.sum.clear()
        return []

    def _step(self, rate: float) -> list[Effect]:
        self.model = self.sum.step(self.model, rate)
        return self.federation.round_closed(self.now, bytes_in=10, bytes_out=20, pause=Pause(0.5, 0.25))

    def leave(self, name: str) -> None:
        self.say(name, Leave(run=RUN, reason="test"))

    def measured(self, name: str, number: int, measurements: tuple[Measurement, ...] = ()) -> None:
        self.say(name, EvaluationReport(run=RUN, round=number, seconds=1.0, measurements=measurements))

    def lose(self, *names: str) -> None:
        """The connection breaks and the coordinator notices; the participant's next one is another."""
        for name in names:
            peer = self.peer(name)
            self.unreachable.add(peer)
            self._connections[name] = self._connections.get(name, 0) + 1
            self.perform(self.federation.unreachable(peer, self.now))

    # Time

    def after(self, seconds: float) -> None:
        """Time passes in heartbeats; everybody who is connected says so."""
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(self.now + 1.0, ends)
            for member in self.federation.membership.everybody():
                member.heard = self.now
            self.perform(self.federation.tick(self.now))

    # What came of it

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        return self.all(kind)[-1]

    def heard(self, name: str, kind: type[M]) -> list[M]:
        return [message for message in self.sent.get(name, []) if isinstance(message, kind)]

    def orders(self, name: str) -> list[int]:
        """Rounds that it was told to train, in order."""
        return [order.round for order in self.heard(name, Train)]

    @property
    def selected(self) -> set[str]:
        attempt = self.federation.rounds.attempt
        return set(attempt.selected) if attempt is not None else set()

    def perform(self, effects: list[Effect]) -> None:
        pending = deque(effects)
        while pending:
            match pending.popleft():
                case Send(peer, message):
                    if peer in self.unreachable:
                        pending.extend(self.federation.unreachable(peer, self.now))
                    else:
                        self.sent.setdefault(self._names.get(peer, "?"), []).append(message)
                case DiscardUpdates():
                    self._jobs.append(self._clear)
                case CloseRound(rate=rate):
                    self._jobs.append(partial(self._step, rate))
                case SaveSplit(split):
                    self.splits.append(split)
                case WriteCheckpoint(state=state):
                    self.written.append(state)
                    if not self.slow_disk:
                        pending.extend(self.federation.checkpoint_written(state, "file", 0.1, self.now))
                case Finish():
                    self.finished = True
                case NameModel(event):
                    self.events.append(event(self.model.digest()))
                case event:
                    self.events.append(event)
        self._work()


def _key_of(name: str) -> str:
    return f"{name}'s"
