"""What is turned away is counted, said once, and answered within bounds, whoever sends it how often."""

from collections import Counter

from coordinator.admission import Refusal
from coordinator.attempt import Objection
from coordinator.effects import Effect, Send
from coordinator.journal import (
    JournalEvent,
    MessageRefused,
    ParticipantRefused,
    RefusalsUnsaid,
    UpdateRejected,
)
from coordinator.limits import Buckets
from protocol.messages import EvaluationReport, Offer, Refuse, Rejected, Update

ANSWERS = 20
ANSWERS_PER_S = 5.0
MOST_SAID = 4096
SAID_S = 3600.0  # for so long: a run that waits completes no round
# About what somebody says, and not about its taking part.
_OF_MESSAGES = ("not_joined", "other_version")


class Refusals:
    """Answers what is not taken, and keeps count of it since the last completed round.

    An answer to garbage costs its sender nothing, so each connection gets at most :data:`ANSWERS` in a
    burst and :data:`ANSWERS_PER_S` in the long run.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._said: set[tuple[str, str]] = set()
        self._said_since = 0.0
        self._answers: Buckets[bytes] = Buckets(ANSWERS, ANSWERS_PER_S)

    def refuse(
        self, peer: bytes, name: str | None, refusal: Refusal, current: int, now: float
    ) -> list[Effect]:
        """Turn a connection away; ``name`` is the one that it asked for, or its key's, if it has one."""
        who = name or peer.hex()
        event = (
            MessageRefused(current, who, refusal.reason, refusal.detail)
            if name is None or refusal.reason in _OF_MESSAGES
            else ParticipantRefused(name, refusal.reason, refusal.detail)
        )
        answer = Refuse(reason=refusal.reason, detail=refusal.detail)
        return [*self.note(who, refusal.reason, event, now), *self._answer(peer, answer, now)]

    def reject(
        self,
        peer: bytes,
        name: str | None,
        objection: Objection,
        about: Offer | Update | EvaluationReport | None,
        current: int,
        now: float,
    ) -> list[Effect]:
        """Turn one message away; ``name``: of its sender, if it has one; ``about`` is what it says, where
        that can be read."""
        who = name or peer.hex()
        number = about.round if about is not None else None
        event = (
            UpdateRejected(current, who, objection.reason, objection.detail, number)
            if isinstance(about, Offer | Update)
            else MessageRefused(current, who, objection.reason, objection.detail)
        )
        answer = Rejected(
            run=about.run if about is not None else None,
            round=number,
            reason=objection.reason,
            detail=objection.detail,
        )
        return [*self.note(who, objection.reason, event, now), *self._answer(peer, answer, now)]

    def may_answer(self, peer: bytes, now: float) -> bool:
        return self._answers.take(peer, now)

    def next_round(self) -> dict[str, int]:
        """The counts by reason, which start again from nothing."""
        counts = dict(sorted(self._counts.items()))
        self._counts.clear()
        self._said.clear()
        return counts

    def note(self, who: str, reason: str, event: JournalEvent, now: float) -> list[Effect]:
        """Count something that was turned away, and say so the first time in a round or in :data:`SAID_S`."""
        self._counts[reason] += 1
        if not self._said or now - self._said_since > SAID_S:
            self._said.clear()
            self._said_since = now
        if (who, reason) in self._said or len(self._said) > MOST_SAID:
            return []
        self._said.add((who, reason))
        return [event] if len(self._said) <= MOST_SAID else [RefusalsUnsaid(MOST_SAID, SAID_S)]

    def _answer(self, peer: bytes, answer: Refuse | Rejected, now: float) -> list[Effect]:
        return [Send(peer, answer)] if self.may_answer(peer, now) else []
