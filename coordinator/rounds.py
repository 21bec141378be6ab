"""The rounds, one after the other: whom to ask, until when to wait, when to try again, when it is enough.

    gathering → between → open ⇄ waiting → closing → between → open → … → over

``between``: the next round begins with :meth:`Rounds.begin`, when whoever calls it finds it time.
``open``: an attempt runs against its deadline. ``waiting``: too few participants are there, or all attempts
were in vain; the last attempt stays open, so that updates that still come are not lost.
"""

from collections.abc import Iterable
from enum import Enum, auto

from coordinator.attempt import Arrival, Attempt, Objection, update_objection
from coordinator.effects import CloseRound, DiscardUpdates, Effect, Send
from coordinator.journal import RoundRetried, RoundStarted, RunWaiting, UpdateAccepted, WaitingReason
from coordinator.membership import Member, Membership
from coordinator.selection import first_shares, next_share, select
from coordinator.state import FederationState
from coordinator.transfers import Transfers
from protocol.messages import Accepted, Fetch, Share, Train, Update
from protocol.scenario import Federation as Rules


class Phase(Enum):
    GATHERING = auto()
    BETWEEN = auto()
    OPEN = auto()
    WAITING = auto()
    CLOSING = auto()
    OVER = auto()


class Rounds:
    """Which round it is and what it still needs. ``membership`` says who is there; it is only read.
    ``update_size``: bytes of an update on the wire."""

    def __init__(
        self, rules: Rules, membership: Membership, state: FederationState, update_size: int
    ) -> None:
        self.completed = state.round
        self.roster = set(state.roster)
        self.shares = dict(state.shares)
        self.previous = dict(state.previous)
        self.keep_from = dict(state.keep_from)
        self.attempt: Attempt | None = None
        self.phase = Phase.BETWEEN if self.shares else Phase.GATHERING
        self._run = state.run
        self._rules = rules
        self._update_size = update_size
        self._membership = membership
        self._retry_at: float | None = None
        self._first_begun: float | None = None

    @property
    def current(self) -> int:
        """The round that is under way or comes next."""
        return self.completed + 1

    def share_of(self, name: str) -> Share:
        """Of the training classes, of one that has become ready."""
        return Share(index=self.shares[name], count=self._rules.participants)

    def gather(self) -> list[Effect]:
        """The first round ever waits until all participants are ready."""
        return [self._waiting("participants", self._rules.participants)]

    def begin(self, now: float) -> list[Effect]:
        """The next round, or the end of them."""
        self._first_begun = None
        if self.completed >= self._rules.rounds:
            self.phase = Phase.OVER
            return []
        return self._begin_attempt(1, now)

    def ready(self, member: Member, now: float) -> list[Effect]:
        """A training participant is ready, for the first time or again."""
        if self.phase is Phase.GATHERING:
            self._gather()
            return []
        self.roster.add(member.name)
        self._give_share(member)
        if self.phase not in (Phase.OPEN, Phase.WAITING):
            return []
        attempt = self.attempt
        if attempt is None:
            return self._begin_attempt(1, now) if len(self.roster) >= self._rules.min_updates else []
        effects: list[Effect] = []
        wanted = member.name in attempt.missing and member.name not in attempt.counting
        if wanted:
            effects.append(self._order(attempt, member, now))
        if self.phase is Phase.WAITING and self._enough_there():
            if wanted or attempt.deadline is None:
                # The attempt goes on: with the same names the round gives the same model.
                self._open(attempt, now)
            elif attempt.counting:
                self._retry_at = now  # if it is still wanted when they have been counted
            else:
                effects += self._retry(attempt, now)
        return effects

    def left(self, name: str, now: float) -> list[Effect]:
        """Gone for good, as far as it knows; selection no longer counts on it."""
        self.roster.discard(name)
        if self.attempt is None or self.phase not in (Phase.OPEN, Phase.WAITING):
            return []
        self.attempt.release(name)
        return self._settle(self.attempt, now)

    def objection(self, number: int, name: str) -> Objection | None:
        """What is wrong with an update for that round from that participant, by what is known before its
        values are looked at."""
        objection = update_objection(number, name, current=self.current, attempt=self.attempt)
        if objection is None and self.phase is Phase.CLOSING:
            return Objection("late", f"round {number} is being closed without it")
        return objection

    def offered(self, name: str, peer: bytes, now: float) -> list[Effect]:
        """An update to which there is no objection so far is fetched in its turn."""
        assert self.attempt is not None
        self.attempt.transfers.offer(name, peer)
        return self._fetch(self.attempt, now)

    def gone(self, name: str) -> None:
        """A connection is; what was to come on it does not come."""
        if self.attempt is not None:
            self.attempt.transfers.over(name)

    def arrived(self, name: str, peer: bytes, update: Update, size: int, now: float) -> Arrival:
        """An update to which there is no objection. Until it has been counted, nothing is decided that would
        depend on it."""
        attempt = self.attempt
        assert attempt is not None
        attempt.counting.add(name)
        waited, messages = now - attempt.asked.get(name, now), 2 if attempt.transfers.offered(name) else 1
        return Arrival(peer, name, update, size, waited, attempt, messages)

    def counted(self, arrival: Arrival, outcome: float | Objection, now: float) -> list[Effect]:
        """``outcome``: the norm of an update that is in the sum now, or why it is not."""
        attempt, update = arrival.attempt, arrival.update
        assert attempt is self.attempt, "no attempt ends while an update is counted"
        attempt.counting.discard(arrival.name)
        attempt.transfers.over(arrival.name)
        if isinstance(outcome, Objection):
            attempt.turned_away[arrival.name] += 1
            if arrival.name not in self.roster:
                attempt.release(arrival.name)  # it has left meanwhile
            return self._fetch(attempt, now) + self._settle(attempt, now)
        attempt.received.add(arrival.name)
        return [
            UpdateAccepted(update.round, arrival.name, outcome, arrival.size, update.seconds, arrival.waited),
            Send(arrival.peer, Accepted(run=self._run, round=update.round)),
            *self._fetch(attempt, now),
            *self._settle(attempt, now),
        ]

    def tick(self, now: float) -> list[Effect]:
        attempt = self.attempt
        fetched = self._fetch(attempt, now) if attempt is not None else []
        return fetched + self._tick(attempt, now)

    def _tick(self, attempt: Attempt | None, now: float) -> list[Effect]:
        if attempt is not None and attempt.counting:
            return []
        if self.phase is Phase.OPEN and attempt and attempt.deadline is not None and now >= attempt.deadline:
            if len(attempt.received) >= self._rules.min_updates:
                self._drop_lost(attempt)
                return self._close(attempt)
            return self._too_few(attempt, now)
        if self.phase is Phase.WAITING and self._retry_at is not None and now >= self._retry_at:
            self._retry_at = now + self._rules.round_deadline_s
            if attempt is not None and attempt.deadline is not None and self._enough_there():
                return self._retry(attempt, now)
        return []

    def closed(self, now: float) -> tuple[list[str], float]:
        """The round's model is made. Whose updates are in it, and the seconds since the round began."""
        attempt, begun = self.attempt, self._first_begun
        assert attempt is not None
        assert begun is not None
        self.completed = attempt.round
        self.previous.update(dict.fromkeys(attempt.received, attempt.round))
        self.attempt = None
        self.phase = Phase.BETWEEN
        return sorted(attempt.received), now - begun

    def wake_at(self) -> float | None:
        """When :meth:`tick` next has something to do, if nothing else happens."""
        wanted = self._retry_at if self.phase is Phase.WAITING else None
        if self.attempt is None or self.phase is Phase.CLOSING:
            return wanted
        if self.phase is Phase.OPEN:
            wanted = self.attempt.deadline
        if self.attempt.counting:
            wanted = None
        return min((at for at in (wanted, self.attempt.transfers.wake_at()) if at is not None), default=None)

    def _fetch(self, attempt: Attempt, now: float) -> list[Effect]:
        if self.phase not in (Phase.OPEN, Phase.WAITING):
            return []
        return [Send(peer, Fetch(run=self._run, round=attempt.round)) for peer in attempt.transfers.next(now)]

    # Decisions

    def _enough_there(self) -> bool:
        return self._membership.trainers_ready >= self._rules.min_updates

    def _lost(self, names: Iterable[str]) -> list[str]:
        there = {member.name for member in self._membership.ready_trainers()}
        return [name for name in names if name not in there]

    # Steps

    def _gather(self) -> None:
        if self._membership.trainers_ready < self._rules.participants:
            return
        members = self._membership.ready_trainers()
        self.roster = {member.name for member in members}
        declared = {member.name: member.declared.index for member in members if member.declared}
        self.shares = first_shares(self.roster, declared, self._rules.participants)
        self.phase = Phase.BETWEEN

    def _give_share(self, member: Member) -> None:
        if member.name not in self.shares:
            declared = member.declared.index if member.declared else None
            free = next_share(self.shares, self._rules.participants)
            self.shares[member.name] = free if declared is None else declared

    def _begin_attempt(self, number: int, now: float) -> list[Effect]:
        there = self._membership.ready_trainers()
        # The first attempt counts on those who are away and expected back, so that a crash of a participant
        # or of this process changes nothing; a later one takes only those who are there.
        names = self.roster if number == 1 else {member.name for member in there}
        if len(names) < self._rules.min_updates:
            return self._wait("participants", now)
        chosen = select(self._rules.seed, self.current, number, names, self._rules.selected)
        transfers = Transfers(len(chosen), self._update_size)
        attempt = self.attempt = Attempt(self.current, number, set(chosen), now, transfers)
        if self._first_begun is None:
            self._first_begun = now
        effects: list[Effect] = [DiscardUpdates(), RoundStarted(self.current, number, list(chosen))]
        effects += [self._order(attempt, member, now) for member in there if member.name in attempt.selected]
        if self._enough_there():
            self._open(attempt, now)
        else:
            effects += self._wait("participants", now)
        return effects

    def _open(self, attempt: Attempt, now: float) -> None:
        self.phase = Phase.OPEN
        attempt.deadline = now + self._rules.round_deadline_s

    def _settle(self, attempt: Attempt, now: float) -> list[Effect]:
        """Whether the attempt has got all it needs, or can no longer get it."""
        if attempt.counting:
            return []
        enough = len(attempt.received) >= self._rules.min_updates
        overdue = self.phase is Phase.WAITING and attempt.deadline is not None
        if enough and (overdue or attempt.complete):
            return self._close(attempt)
        if enough and self.phase is Phase.WAITING:
            # Some of them came from participants that are gone again: those who are still missing have until
            # the deadline, like in any other attempt.
            self._open(attempt, now)
        if len(attempt.selected) < self._rules.min_updates and self.phase is Phase.OPEN:
            return self._too_few(attempt, now)
        return []

    def _close(self, attempt: Attempt) -> list[Effect]:
        self.phase = Phase.CLOSING
        return [CloseRound(attempt.round, self._rules.server_rate.at(attempt.round))]

    def _too_few(self, attempt: Attempt, now: float) -> list[Effect]:
        if not self._enough_there():
            return self._wait("participants", now)
        if attempt.number >= self._rules.attempts:
            return self._wait("attempts", now)
        return self._retry(attempt, now)

    def _retry(self, attempt: Attempt, now: float) -> list[Effect]:
        self._drop_lost(attempt)
        retried = RoundRetried(
            attempt.round,
            attempt.number + 1,
            received=len(attempt.received),
            needed=self._rules.min_updates,
            missing=attempt.missing,
        )
        return [retried, *self._begin_attempt(attempt.number + 1, now)]

    def _drop_lost(self, attempt: Attempt) -> None:
        # Without this, each round would wait its whole deadline for somebody who never comes back.
        self.roster -= set(self._lost(attempt.missing))

    def _wait(self, reason: WaitingReason, now: float) -> list[Effect]:
        self.phase = Phase.WAITING
        self._retry_at = now + self._rules.round_deadline_s
        return [self._waiting(reason, self._rules.min_updates)]

    def _waiting(self, reason: WaitingReason, needed: int) -> RunWaiting:
        return RunWaiting(self.current, reason, self._membership.trainers_ready, needed)

    def _order(self, attempt: Attempt, member: Member, now: float) -> Send:
        attempt.asked[member.name] = now
        name = member.name
        order = Train(
            run=self._run,
            round=attempt.round,
            share=self.share_of(name),
            previous=self.previous.get(name, 0),
            keep_from=self.keep_from.get(name, 0),
            offer=attempt.transfers.in_turn,
        )
        return Send(member.peer, order)
