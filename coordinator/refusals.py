"""What is turned away is counted, said once, and answered within bounds, whoever sends it how often."""

from collections import Counter

from coordinator.admission import Refusal
from coordinator.attempt import Objection
from coordinator.effects import Effect, Send
from coordinator.journal import JournalEvent, MessageRefused, ParticipantRefused, UpdateRejected
from coordinator.limits import Buckets
from protocol.messages import EvaluationReport, Offer, Refuse, Rejected, Update

ANSWERS = 20
ANSWERS_PER_S = 5.0
MOST_SAID = 4096


class Refusals:
    """Answers what is not taken, and keeps count of it since the last completed round.

    An answer to garbage costs its sender nothing, so each connection gets at most :data:`ANSWERS` in a
    burst and :data:`ANSWERS_PER_S` in the long run.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._said: set[tuple[str, str]] = set()
        self._answers: Buckets[bytes] = Buckets(ANSWERS, ANSWERS_PER_S)

    def refuse(
        self, peer: bytes, name: str | None, refusal: Refusal, current: int, now: float
    ) -> list[Effect]:
        """Turn a connection away; ``name`` is the one that it asked for, if it did."""
        event = (
            MessageRefused(current, peer.hex(), refusal.reason, refusal.detail)
            if name is None
            else ParticipantRefused(name, refusal.reason, refusal.detail)
        )
        answer = Refuse(reason=refusal.reason, detail=refusal.detail)
        return [*self.note(name or peer.hex(), refusal.reason, event), *self._answer(peer, answer, now)]

    def reject(
        self,
        peer: bytes,
        name: str | None,
        objection: Objection,
        about: Offer | Update | EvaluationReport | None,
        current: int,
        now: float,
    ) -> list[Effect]:
        """Turn one message away; ``name``: of its sender, if it has joined; ``about`` is what it says, where
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
        return [*self.note(who, objection.reason, event), *self._answer(peer, answer, now)]

    def may_answer(self, peer: bytes, now: float) -> bool:
        return self._answers.take(peer, now)

    def next_round(self) -> dict[str, int]:
        """The counts by reason, which start again from nothing."""
        counts = dict(sorted(self._counts.items()))
        self._counts.clear()
        self._said.clear()
        return counts

    def note(self, who: str, reason: str, event: JournalEvent) -> list[Effect]:
        """Count something that was turned away, and say so the first time in a round."""
        self._counts[reason] += 1
        if (who, reason) in self._said or len(self._said) >= MOST_SAID:
            return []
        self._said.add((who, reason))
        return [event]

    def _answer(self, peer: bytes, answer: Refuse | Rejected, now: float) -> list[Effect]:
        return [Send(peer, answer)] if self.may_answer(peer, now) else []
