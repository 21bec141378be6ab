"""The federation as a state machine: what was received or what time it is goes in, effects come out.

No socket, clock or file here: time is an argument, on any monotonic clock, in seconds. Each public method
is one thing that can happen. Membership, rounds and evaluations are decided in modules of their own; this
one ties them together and answers every message.
"""

from coordinator.admission import Refusal, join_refusal, ready_refusal
from coordinator.attempt import Arrival, Objection
from coordinator.effects import Effect, Finish, NameModel, SaveSplit, Send, WriteCheckpoint
from coordinator.entry import Entry
from coordinator.journal import (
    CheckpointWritten,
    LostReason,
    MessageRefused,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantLost,
    ParticipantReady,
    RoundCompleted,
    RunCompleted,
)
from coordinator.keeping import Keeping
from coordinator.measuring import open_measuring
from coordinator.membership import Member, Membership
from coordinator.pauses import Pause
from coordinator.refusals import Refusals
from coordinator.rounds import Phase, Rounds
from coordinator.state import FederationState
from protocol.keys import AllowList
from protocol.manifest import Manifest
from protocol.messages import (
    MAX_TEXT,
    AnyMessage,
    EvaluationReport,
    Heartbeat,
    Join,
    Leave,
    Offer,
    Ready,
    Refuse,
    Shutdown,
    Update,
    Welcome,
)
from protocol.scenario import Scenario, dump_scenario
from protocol.split import ClassSplit

MOST_OF_A_REASON = 200  # characters: whoever leaves can say so over and over


class Federation:
    """``split``: the one on disk after a restart, None before the first participant is ready.
    ``update_size``: bytes of an update on the wire. ``allowed``: None where there are no keys."""

    def __init__(
        self,
        scenario: Scenario,
        manifest: Manifest,
        state: FederationState,
        *,
        split: ClassSplit | None,
        now: float,
        update_size: int,
        allowed: AllowList | None = None,
    ) -> None:
        self.run = state.run
        self.membership = Membership()
        self.rounds = Rounds(scenario.federation, self.membership, state, update_size)
        self.measuring = open_measuring(scenario, self.membership, self.rounds, state)
        self._scenario = scenario
        self._text = dump_scenario(scenario)
        self._manifest = manifest
        self._split = split
        self.refusals = Refusals()
        self._entry = Entry(scenario.federation, allowed)
        self._keeping = Keeping(state)
        self._started = now - state.elapsed_s
        self._ticked = now
        self._completed = False
        self._finished = False

    def start(self, now: float) -> list[Effect]:
        if self.rounds.phase is Phase.GATHERING:
            self.measuring.completed(0)
            return [self._checkpoint(now, needed=True), *self.rounds.gather()]
        revoked = self._drop_revoked(now)  # while there was no coordinator
        return revoked + self._go_on(now)

    def state(self, now: float) -> FederationState:
        """What a restart needs to go on from the last completed round."""
        return FederationState(
            run=self.run,
            round=self.rounds.completed,
            roster=tuple(sorted(self.rounds.roster)),
            shares=dict(self.rounds.shares),
            previous=dict(self.rounds.previous),
            keep_from=dict(self.rounds.keep_from),
            evaluations=self.measuring.outstanding,
            auditor_seen=self.measuring.auditor_seen,
            elapsed_s=now - self._started,
            completed=self._completed,
        )

    # What can be received

    def receive(
        self, peer: bytes, message: AnyMessage, now: float, *, key: str | None = None
    ) -> list[Effect]:
        """Any message but a join or an update, which need to be looked into first. ``key``: the one that the
        connection has shown."""
        member = self.membership.at(peer)
        if member is None:
            return self._not_joined(peer, key, now)
        member.heard = now
        if not isinstance(message, Ready | Offer | EvaluationReport | Leave | Heartbeat):
            return self._reject(
                peer, Objection("unexpected", f"a {message.type} is not for the coordinator"), now
            )
        if message.run != self.run:
            return self._reject(peer, Objection("foreign", f"this is run {self.run}"), now)
        match message:
            case Heartbeat():
                return [Send(peer, Heartbeat(run=self.run))]
            case Ready():
                return self._ready(member, message, now)
            case Leave():
                self._forget(member)
                why = message.reason[:MOST_OF_A_REASON]
                left: list[Effect] = [ParticipantLeft(self.rounds.current, member.name, why)]
                if not member.auditor:
                    left += self.rounds.left(member.name, now)
                return left + self._go_on(now)
            case Offer():
                objection = self.rounds.objection(message.round, member.name)
                if objection is not None:
                    return self._reject(peer, objection, now, message)
                return self.rounds.offered(member.name, peer, now)
            case EvaluationReport():
                return self._evaluation(member, message, now)

    def turned_away(self, peer: bytes, key: str | None, now: float) -> list[Effect] | None:
        """What becomes of a message that is not looked at, because of who sends it or how often; None: it is.
        ``key``: the one that the connection has shown."""
        refusal = self._entry.refusal(peer, key, now)
        if refusal is None:
            return None
        name = self.name_of(peer, key)
        effects = self._refuse(peer, name, refusal, now)
        dropped = self._drop(name, "too_fast", now) if name is not None else []
        if dropped and not any(isinstance(effect, Send) for effect in effects):
            # It has been answered too often already, but this it has to be told.
            effects.append(Send(peer, Refuse(reason=refusal.reason, detail=refusal.detail)))
        return effects + dropped

    def join(
        self, peer: bytes, join: Join, now: float, *, holder_reachable: bool, key: str | None = None
    ) -> list[Effect]:
        """``holder_reachable``: whether the connection that has this name now can still be sent to."""
        effects: list[Effect] = []
        stolen = self._entry.claim_refusal(join, key)
        if stolen is not None:
            return self._refuse(peer, self._entry.name_of(key), stolen, now)
        present = self.membership.at(peer)
        if present is not None and present.name != join.name:
            return self._reject(
                peer, Objection("unexpected", f"this connection joined as {present.name}"), now
            )
        holder = self.membership.named(join.name)
        if holder is not None and holder.peer != peer and not holder_reachable:
            effects += self._lose(holder, "replaced", now)
            holder = None
        refusal = join_refusal(
            join,
            holder=holder if holder is not None and holder.peer != peer else None,
            shares=self.rounds.shares,
            declared=self.membership.declared_beside(join.name) if join.share is not None else {},
            participants=self._scenario.federation.participants,
        )
        if refusal is not None:
            return effects + self._refuse(peer, join.name, refusal, now)
        if present is not None and not self.refusals.may_answer(peer, now):
            return effects
        if not self._entry.may_begin(join.name, now):
            # It asks again, and one that cannot wait for its turn gains nothing by an answer.
            return effects + self._too_often(join.name, now)
        if present is None:
            effects.append(ParticipantJoined(join.name, join.auditor, join.software))
        # A repeated join starts the conversation again; messages keep their order, so no ready is lost by it.
        self.membership.add(Member(join.name, peer, join.auditor, join.share, heard=now, key=key))
        self.measuring.auditor_seen |= join.auditor
        welcome = Welcome(
            run=self.run, round=self.rounds.current, scenario=self._text, manifest=self._manifest
        )
        return [*effects, Send(peer, welcome)]

    def update(
        self, peer: bytes, update: Update, now: float, *, size: int, key: str | None = None
    ) -> Arrival | list[Effect]:
        """An update by its header. An :class:`Arrival` is answered with :meth:`counted` once its values have
        been looked at, and added to the sum if nothing is wrong with them."""
        member = self.membership.at(peer)
        if member is None:
            return self._not_joined(peer, key, now)
        member.heard = now
        objection = self._objection(member, update)
        if objection is not None:
            return self._reject(peer, objection, now, update)
        return self.rounds.arrived(member.name, peer, update, size, now)

    def counted(self, arrival: Arrival, outcome: float | Objection, now: float) -> list[Effect]:
        """``outcome``: the norm of an update that is in the sum now, or why it is not."""
        rejected: list[Effect] = []
        if isinstance(outcome, Objection):
            # By the name that it had: whoever sent it may be gone, or somebody else by now.
            rejected = self.refusals.reject(
                arrival.peer, arrival.name, outcome, arrival.update, self.rounds.current, now
            )
        else:
            self._entry.asked_for(arrival.peer, arrival.name, arrival.messages)
        return rejected + self.rounds.counted(arrival, outcome, now)

    def undecodable(
        self,
        peer: bytes,
        kind: str,
        detail: str,
        message: AnyMessage | None,
        now: float,
        *,
        key: str | None = None,
    ) -> list[Effect]:
        """Frames that are no message; ``message`` is the header, if only the tensors are wrong."""
        member = self.membership.at(peer)
        if member is not None:
            member.heard = now
        if kind == "other_version":
            return self._refuse(peer, self.name_of(peer, key), Refusal("other_version", detail), now)
        wrong = Objection("wrong_size" if kind == "wrong_size" else "malformed", detail)
        if not isinstance(message, Update):
            return self._reject(peer, wrong, now, key=key)
        if member is None:
            return self._not_joined(peer, key, now)
        return self._reject(peer, self._objection(member, message) or wrong, now, message)

    def name_of(self, peer: bytes, key: str | None) -> str | None:
        """Who has this connection, as far as can be known; ``key``: the one that it has shown."""
        member = self.membership.at(peer)
        return member.name if member is not None else self._entry.name_of(key)

    # What else can happen

    def hears(self, peer: bytes, now: float) -> None:
        """Something that is as good as a heartbeat: a message that is on its way and gets on."""
        member = self.membership.at(peer)
        if member is not None:
            member.heard = now

    def unreachable(self, peer: bytes, now: float) -> list[Effect]:
        """A message could not be sent: the connection is gone."""
        member = self.membership.at(peer)
        return self._lose(member, "unreachable", now) if member is not None else []

    def allow_only(self, allowed: AllowList, now: float) -> list[Effect]:
        """The allow-list says this from now on."""
        self._entry.allowed = allowed
        return self._drop_revoked(now) + self._go_on(now)

    def drop(self, peer: bytes, reason: LostReason, now: float) -> list[Effect]:
        """Whoever has this connection costs too much."""
        member = self.membership.at(peer)
        return self._drop(member.name, reason, now) if member is not None else []

    def tick(self, now: float) -> list[Effect]:
        rules = self._scenario.federation
        if now - self._ticked > rules.liveness_s / 2:
            self.membership.excuse(now)
        self._ticked = now
        effects: list[Effect] = []
        for member in self.membership.silent(now, rules.liveness_s):
            effects += self._lose(member, "silent", now)
        return effects + self.rounds.tick(now) + self._go_on(now)

    def round_closed(self, now: float, *, bytes_in: int, bytes_out: int, pause: Pause) -> list[Effect]:
        """The model of the round has been made."""
        names, seconds = self.rounds.closed(now)
        number = self.rounds.completed
        refused = self.refusals.next_round()
        rate = self._scenario.federation.server_rate.at(number)
        completed = NameModel(
            lambda digest: RoundCompleted(
                round=number,
                received=len(names),
                rejected=sum(refused.values()),
                rejections=refused,
                seconds=seconds,
                bytes_in=bytes_in,
                bytes_out=bytes_out,
                longest_pause_s=pause.seconds,
                longest_pause_busy_s=pause.busy_s,
                model_digest=digest,
                server_rate=rate,
            )
        )
        effects: list[Effect] = [completed]
        self.measuring.completed(number)
        due = self.measuring.due(number)
        if due or number % self._scenario.federation.checkpoint_every == 0:
            effects.append(self._checkpoint(now, needed=due))
        return effects + self._go_on(now)

    def checkpoint_written(
        self, state: FederationState, path: str, seconds: float, now: float
    ) -> list[Effect]:
        """The checkpoint of ``state`` is durable."""
        self.rounds.keep_from = self._keeping.written(state.round)
        written = CheckpointWritten(state.round, path, seconds)
        if not state.completed or self._finished:
            return [written]
        self._finished = True
        seconds = now - self._started
        done = NameModel(lambda digest: RunCompleted(state.round, digest, seconds))
        return [written, done, *self.shut_down(failed=False, reason="the run is complete"), Finish()]

    def evaluation_lost(self, number: int, reason: str, now: float) -> list[Effect]:
        """The model of that round cannot be read any more."""
        return self.measuring.give_up(number, reason) + self._go_on(now)

    def shut_down(self, *, failed: bool, reason: str) -> list[Effect]:
        last_word = Shutdown(run=self.run, failed=failed, reason=reason[:MAX_TEXT])
        return [Send(member.peer, last_word) for member in self.membership.everybody()]

    def wake_at(self, now: float) -> float:
        """When :meth:`tick` is wanted again, at the latest."""
        # At least four times in liveness_s, so that tick can tell a suspension of this process from its pace.
        beat = now + self._scenario.federation.heartbeat_s / 2
        wanted = self.rounds.wake_at()
        return beat if wanted is None else min(beat, wanted)

    # Parts of the above

    def _drop(self, name: str, reason: LostReason, now: float) -> list[Effect]:
        """Nobody waits any more for one who has misbehaved; it may join again, if it is let in."""
        member = self.membership.named(name)
        if member is None and name not in self.rounds.roster:
            return []
        if member is not None:
            self._forget(member)
        lost: list[Effect] = [ParticipantLost(self.rounds.current, name, reason)]
        left = self.rounds.left(name, now) if name in self.rounds.roster else []
        return lost + left + self._go_on(now)

    def _drop_revoked(self, now: float) -> list[Effect]:
        """Whoever is here with a key that is not allowed, and who is expected back and cannot come."""
        if self._entry.allowed is None:
            return []
        effects: list[Effect] = []
        gone = [m for m in self.membership.everybody() if self._entry.name_of(m.key) != m.name]
        for member in gone:
            self._forget(member)
            refusal = Refusal("revoked", f"the key of {member.name} is not let in any more")
            effects += self._refuse(member.peer, member.name, refusal, now)
        absent = self.rounds.roster - set(self._entry.allowed.names.values())
        names = sorted(absent | {member.name for member in gone})
        self.rounds.roster -= set(names)  # of all, before what follows selects anybody
        for name in names:
            effects.append(ParticipantLost(self.rounds.current, name, "revoked"))
            effects += self.rounds.left(name, now)
        return effects

    def _ready(self, member: Member, ready: Ready, now: float) -> list[Effect]:
        if member.ready and not (
            self.refusals.may_answer(member.peer, now) and self._entry.may_begin(member.name, now)
        ):
            return self._too_often(member.name, now)  # each one would be answered with the whole model
        refusal = ready_refusal(
            ready, manifest_digest=self._manifest.digest, split=self._split, sizes=self._scenario.task.split
        )
        if refusal is not None:
            self._forget(member)
            return self._refuse(member.peer, member.name, refusal, now)
        effects: list[Effect] = [ParticipantReady(member.name, member.auditor)]
        if self._split is None:
            self._split = ready.split
            effects.append(SaveSplit(ready.split))
        self.membership.get_ready(member)
        self.measuring.release(member.name)  # it has started anew
        if not member.auditor:
            gathering = self.rounds.phase is Phase.GATHERING
            effects += self.rounds.ready(member, now)
            if gathering and self.rounds.phase is not Phase.GATHERING:
                # From here on the shares are fixed; a crash before the first checkpoint must not change them.
                effects.append(self._checkpoint(now, needed=True))
        return effects + self._go_on(now)

    def _evaluation(self, member: Member, report: EvaluationReport, now: float) -> list[Effect]:
        objection = self.measuring.objection(member, report, self.rounds.completed)
        if objection is not None:
            return self._reject(member.peer, objection, now, report)
        effects = self.measuring.take(member, report)
        self._entry.asked_for(member.peer, member.name)
        if not member.auditor:
            # The run waits for these, so after a restart none should be made twice.
            effects.append(self._checkpoint(now, needed=False))
        return effects + self._go_on(now)

    def _go_on(self, now: float) -> list[Effect]:
        """Have measured what is to be; begin the next round unless that holds it up; after the last one wait
        for the measurements, then store the end of it."""
        effects = self.measuring.assign(now)
        if self.rounds.phase is Phase.BETWEEN:
            said, free = self.measuring.between_rounds(now)
            effects += said + (self.rounds.begin(now) if free else [])
        if self.rounds.phase is Phase.OVER and not self._completed:
            said, self._completed = self.measuring.end(self.rounds.completed, now)
            effects += said + ([self._checkpoint(now, needed=True)] if self._completed else [])
        return effects

    def _checkpoint(self, now: float, *, needed: bool) -> WriteCheckpoint:
        state = self.state(now)
        self._keeping.writing(state.round, state.previous)
        return WriteCheckpoint(state, needed)

    def _objection(self, member: Member, update: Update) -> Objection | None:
        """What is wrong with an update by its header; changes nothing."""
        if update.run != self.run:
            return Objection("foreign", f"this is run {self.run}")
        return self.rounds.objection(update.round, member.name)

    def _lose(self, member: Member, reason: LostReason, now: float) -> list[Effect]:
        self._forget(member)
        return [ParticipantLost(self.rounds.current, member.name, reason), *self.measuring.assign(now)]

    def _forget(self, member: Member) -> None:
        self.membership.remove(member)
        self.rounds.gone(member.name)
        self.measuring.release(member.name)

    def _not_joined(self, peer: bytes, key: str | None, now: float) -> list[Effect]:
        return self._refuse(peer, self.name_of(peer, key), Refusal("not_joined", "join first"), now)

    def _too_often(self, name: str, now: float) -> list[Effect]:
        detail = "it begins anew more often than anybody needs to, and is not answered each time"
        event = MessageRefused(self.rounds.current, name, "too_often", detail)
        return self.refusals.note(name, "too_often", event, now)

    def _refuse(self, peer: bytes, name: str | None, refusal: Refusal, now: float) -> list[Effect]:
        return self.refusals.refuse(peer, name, refusal, self.rounds.current, now)

    def _reject(
        self,
        peer: bytes,
        objection: Objection,
        now: float,
        about: Offer | Update | EvaluationReport | None = None,
        *,
        key: str | None = None,
    ) -> list[Effect]:
        name = self.name_of(peer, key)
        return self.refusals.reject(peer, name, objection, about, self.rounds.current, now)
