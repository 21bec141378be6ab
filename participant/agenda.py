"""What the one worker does now, what it does next, and what it did last. Pure, part of the conversation."""

from collections import deque
from dataclasses import dataclass

from participant.actions import Actions, Cancel, Note, Send, Start
from participant.jobs import (
    BuildJob,
    Evaluated,
    EvaluateJob,
    Job,
    Outcome,
    Trained,
    TrainJob,
    asks_the_same,
)
from protocol.messages import EvaluationReport, Offer, Update

MAX_WAITING = 16  # evaluations behind the one that runs; a coordinator sends one at a time


@dataclass(slots=True)
class _Running:
    job: Job
    asked: bool = True  # since the coordinator was last met: what nobody asked for is not sent
    cancelled: bool = False


class Agenda:
    def __init__(self) -> None:
        self._running: _Running | None = None
        self._waiting: deque[Job] = deque()
        self._answer: tuple[Job, Send] | None = None  # the last result, for when it is asked for again
        self._offered: tuple[int, Send] | None = None  # of the round, until another order comes

    @property
    def answered(self) -> str:
        """What the coordinator's verdict is about: the kind of the last result."""
        return "evaluation" if self._answer and isinstance(self._answer[0], EvaluateJob) else "update"

    def begin(self, build: BuildJob) -> Actions:
        """Another run: nothing of the one before is worth anything."""
        self._answer = None
        return self._instead(build)

    def train(self, job: TrainJob) -> Actions:
        """The latest order is the one that holds: a round that is over interests nobody."""
        return self._known(job) or self._instead(job)

    def evaluate(self, job: EvaluateJob) -> Actions:
        """Evaluations queue: each of them is wanted."""
        known = self._known(job)
        if known or any(asks_the_same(job, waiting) for waiting in self._waiting):
            return known
        if len(self._waiting) >= MAX_WAITING:
            fields = {"type": "evaluate", "reason": "too_many", "round": job.order.round}
            return [Note("message_ignored", fields, "warning")]
        self._waiting.append(job)
        return self._next()

    def forget_orders(self) -> None:
        """The coordinator was met again: it repeats the orders that still hold."""
        self._offered = None
        self._waiting = deque(job for job in self._waiting if isinstance(job, BuildJob))
        if self._running is not None:
            self._running.asked = False

    def finished(self, job: Job, outcome: Outcome, *, send: bool) -> Actions:
        running, self._running = self._running, None
        actions: Actions = []
        answer = _answer(job, outcome)
        if answer is not None and running is not None and not running.cancelled:
            self._answer = (job, answer)
            if send and running.asked:
                actions += self._give(job, answer)
        return actions + self._next()

    def fetched(self, number: int) -> Actions:
        """The update of that round is wanted now; nothing, where it is not the one that was offered last."""
        if self._offered is None or self._offered[0] != number:
            return []
        return _sent(self._offered[1])

    def _known(self, job: Job) -> Actions:
        if self._answer is not None and asks_the_same(self._answer[0], job):
            return self._give(job, self._answer[1])
        running = self._running
        if running is not None and not running.cancelled and asks_the_same(running.job, job):
            running.asked = True
            return [Note("already_at_it", {}, "debug")]
        return []

    def _give(self, job: Job, answer: Send) -> Actions:
        """An update for which that was ordered is offered, and sent once it is fetched."""
        message = answer.message
        if not (isinstance(job, TrainJob) and job.order.offer and isinstance(message, Update)):
            return _sent(answer)
        self._offered = message.round, answer
        fields = {"round": message.round, "seconds": message.seconds}
        return [Note("update_offered", fields), Send(Offer(run=message.run, round=message.round))]

    def _instead(self, job: Job) -> Actions:
        self._offered = None
        self._waiting = deque([job])
        if self._running is None:
            return self._next()
        if self._running.cancelled:
            return []
        self._running.cancelled = True
        return [Cancel()]

    def _next(self) -> Actions:
        if self._running is not None or not self._waiting:
            return []
        job = self._waiting.popleft()
        self._running = _Running(job)
        match job:
            case BuildJob():
                return [Start(job)]
            case TrainJob():
                return [Note("train_started", {"round": job.order.round}), Start(job)]
            case EvaluateJob():
                return [Note("evaluation_started", {"round": job.order.round}), Start(job)]


def _answer(job: Job, outcome: Outcome) -> Send | None:
    if isinstance(job, TrainJob) and isinstance(outcome, Trained):
        order = job.order
        return Send(Update(run=order.run, round=order.round, seconds=outcome.seconds), outcome.delta)
    if isinstance(job, EvaluateJob) and isinstance(outcome, Evaluated):
        run, number = job.order.run, job.order.round
        return Send(
            EvaluationReport(
                run=run, round=number, seconds=outcome.seconds, measurements=outcome.measurements
            )
        )
    return None


def _sent(answer: Send) -> Actions:
    message = answer.message
    assert isinstance(message, Update | EvaluationReport)
    event = "update_sent" if isinstance(message, Update) else "evaluation_sent"
    return [Note(event, {"round": message.round, "seconds": message.seconds}), answer]
