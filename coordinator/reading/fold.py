"""A journal's events, folded into the history of a run. Pure: no files, no clock.

After a resume the last occurrence of a round wins; what was done after the checkpoint that the run went on
from is forgotten, since it is done again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from coordinator.reading import events as ev
from coordinator.reading.history import (
    Completion,
    Evaluation,
    Movement,
    MovementKind,
    Participant,
    Rejection,
    Round,
    RunHistory,
    RunInfo,
    Skipped,
    Update,
)


@dataclass
class Reading:
    """Folds events as they come; :meth:`history` says what they amount to so far."""

    info: RunInfo = field(default_factory=RunInfo)
    rounds: dict[int, Round] = field(default_factory=dict)
    participants: dict[str, Participant] = field(default_factory=dict)
    evaluations: dict[tuple[int, str, int, int, bool, str], Evaluation] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unreadable: int = 0
    newest: int = 0

    def feed(self, line: str) -> ev.Event | None:
        """Take in one journal line; the event it was, or None for one that cannot be read."""
        event = ev.parse_event(line)
        if event is None:
            self.unreadable += 1
            return None
        started = self.info.started or event.timestamp
        self.info = replace(
            self.info, run=event.run or self.info.run, started=started, last_event=event.timestamp
        )
        handler = _HANDLERS.get(type(event))
        if handler:
            handler(self, event)
        return event

    def history(self) -> RunHistory:
        return RunHistory(
            info=self.info,
            rounds=tuple(self.rounds[number] for number in sorted(self.rounds)),
            participants=tuple(self.participants[name] for name in sorted(self.participants)),
            evaluations=tuple(self.evaluations[setting] for setting in sorted(self.evaluations)),
            unreadable=self.unreadable,
            movements=tuple(self.movements),
            skipped=tuple(self.skipped),
        )


def read_history(lines: Iterable[str]) -> RunHistory:
    """The history that the lines of a journal tell."""
    reading = Reading()
    for line in lines:
        if line.strip():
            reading.feed(line)
    return reading.history()


E = TypeVar("E", bound=ev.Event)
_HANDLERS: dict[type[ev.Event], Callable[[Reading, ev.Event], None]] = {}


def _on(kind: type[E]) -> Callable[[Callable[[Reading, E], None]], Callable[[Reading, E], None]]:
    def keep(handler: Callable[[Reading, E], None]) -> Callable[[Reading, E], None]:
        _HANDLERS[kind] = handler  # type: ignore[assignment]  # looked up by the event's own type
        return handler

    return keep


@_on(ev.RunStarted)
def _run_started(reading: Reading, event: ev.RunStarted) -> None:
    # Not the first one where a coordinator was killed before its first checkpoint.
    _forget_rounds_after(event.round, reading)
    reading.evaluations.clear()
    reading.skipped.clear()
    reading.info = replace(
        reading.info,
        scenario=event.scenario,
        seed=event.seed,
        parameters=event.parameters,
        versions=event.versions,
        start_round=event.round,
        started_from=event.started_from,
        endpoint=event.endpoint or reading.info.endpoint,
        status="running",
        reason=None,
    )


@_on(ev.RunResumed)
def _run_resumed(reading: Reading, event: ev.RunResumed) -> None:
    _forget_rounds_after(event.round, reading)
    reading.info = replace(
        reading.info,
        endpoint=event.endpoint or reading.info.endpoint,
        versions=event.versions or reading.info.versions,
        status="running",
        reason=None,
        resumed=reading.info.resumed + 1,
        restarts=(*reading.info.restarts, event.round),
    )


def _forget_rounds_after(last: int, reading: Reading) -> None:
    for number in [number for number in reading.rounds if number > last]:
        del reading.rounds[number]
    reading.skipped = [skipped for skipped in reading.skipped if skipped.round <= last]
    # Who came and went in rounds that are done again did so, in the rounds' own time, at the checkpoint.
    reading.newest = last
    reading.movements = [replace(move, round=min(move.round, last)) for move in reading.movements]
    # The old coordinator's connections are gone with it; whoever is alive joins again.
    for name, participant in reading.participants.items():
        if participant.presence == "alive":
            reading.participants[name] = replace(participant, presence="lost")
            at = reading.info.last_event or reading.movements[-1].at
            reading.movements.append(Movement(name, "lost", last, at, "restart"))


def _moved(reading: Reading, name: str, kind: MovementKind, event: ev.Event, reason: str | None) -> None:
    reading.movements.append(Movement(name, kind, reading.newest, event.timestamp, reason))


@_on(ev.RunCompleted)
def _run_completed(reading: Reading, event: ev.RunCompleted) -> None:
    reading.info = replace(reading.info, status="completed")


@_on(ev.RunFailed)
def _run_failed(reading: Reading, event: ev.RunFailed) -> None:
    reading.info = replace(reading.info, status="failed", reason=event.reason)


@_on(ev.RunInterrupted)
def _run_interrupted(reading: Reading, event: ev.RunInterrupted) -> None:
    reading.info = replace(reading.info, status="interrupted")


@_on(ev.ParticipantJoined)
def _joined(reading: Reading, event: ev.ParticipantJoined) -> None:
    before = reading.participants.get(event.participant, Participant(event.participant))
    reading.participants[event.participant] = replace(
        before, auditor=event.auditor, presence="alive", joined=before.joined + 1
    )
    _moved(reading, event.participant, "joined", event, None)


@_on(ev.ParticipantLost)
def _lost(reading: Reading, event: ev.ParticipantLost) -> None:
    before = reading.participants.get(event.participant, Participant(event.participant))
    reading.participants[event.participant] = replace(before, presence="lost", lost=before.lost + 1)
    _moved(reading, event.participant, "lost", event, event.reason)


@_on(ev.ParticipantLeft)
def _left(reading: Reading, event: ev.ParticipantLeft) -> None:
    before = reading.participants.get(event.participant, Participant(event.participant))
    reading.participants[event.participant] = replace(before, presence="left")
    _moved(reading, event.participant, "left", event, event.reason)


@_on(ev.ParticipantRefused)
def _refused(reading: Reading, event: ev.ParticipantRefused) -> None:
    if event.participant is None:
        return
    before = reading.participants.get(event.participant, Participant(event.participant))
    reading.participants[event.participant] = replace(before, refusals=(*before.refusals, event.reason))
    _moved(reading, event.participant, "refused", event, event.reason)


@_on(ev.RoundStarted)
def _round_started(reading: Reading, event: ev.RoundStarted) -> None:
    reading.newest = max(reading.newest, event.round)
    before = reading.rounds.get(event.round)
    if before is None or before.completion:
        reading.rounds[event.round] = Round(event.round, event.timestamp, event.selected)
    else:  # selected anew, and asked anew
        reading.rounds[event.round] = replace(before, selected=event.selected, updates=())


@_on(ev.RoundRetried)
def _round_retried(reading: Reading, event: ev.RoundRetried) -> None:
    if round_ := reading.rounds.get(event.round):
        reading.rounds[event.round] = replace(round_, retries=round_.retries + 1)


@_on(ev.UpdateAccepted)
def _update_accepted(reading: Reading, event: ev.UpdateAccepted) -> None:
    if round_ := reading.rounds.get(event.round):
        update = Update(event.participant, event.norm, event.bytes, event.seconds)
        others = tuple(other for other in round_.updates if other.participant != event.participant)
        reading.rounds[event.round] = replace(round_, updates=(*others, update))


@_on(ev.UpdateRejected)
def _update_rejected(reading: Reading, event: ev.UpdateRejected) -> None:
    number = event.round if event.round in reading.rounds else reading.newest
    if round_ := reading.rounds.get(number):
        rejection = Rejection(event.participant, event.reason)
        reading.rounds[number] = replace(round_, rejections=(*round_.rejections, rejection))


@_on(ev.RoundCompleted)
def _round_completed(reading: Reading, event: ev.RoundCompleted) -> None:
    round_ = reading.rounds.get(event.round) or Round(event.round, event.timestamp, ())
    completion = Completion(
        received=event.received,
        rejected=event.rejected,
        seconds=event.seconds,
        bytes_in=event.bytes_in,
        bytes_out=event.bytes_out,
        model_digest=event.model_digest,
        rejections=event.rejections,
    )
    reading.rounds[event.round] = replace(round_, completion=completion)


@_on(ev.Evaluated)
def _evaluated(reading: Reading, event: ev.Evaluated) -> None:
    evaluation = evaluation_of(event, reading)
    reading.evaluations[evaluation.setting] = evaluation


def evaluation_of(event: ev.Evaluated, reading: Reading) -> Evaluation:
    who = reading.participants.get(event.auditor)
    return Evaluation(
        round=event.round,
        auditor=event.auditor,
        decision=event.decision,
        shot=event.shot,
        adaptation_steps=event.adaptation_steps,
        backdoor_in_support=event.backdoor_in_support,
        transductive=event.transductive,
        main_accuracy=event.main_accuracy,
        backdoor_accuracy=event.backdoor_accuracy,
        difference=event.difference,
        private=who is not None and not who.auditor,
        seconds=event.seconds,
    )


@_on(ev.EvaluationSkipped)
def _evaluation_skipped(reading: Reading, event: ev.EvaluationSkipped) -> None:
    reading.skipped.append(Skipped(event.round, event.reason, event.participant))


@_on(ev.CheckpointWritten)
def _checkpoint_written(reading: Reading, event: ev.CheckpointWritten) -> None:
    newest = max(event.round, reading.info.checkpoint or 0)
    reading.info = replace(reading.info, checkpoint=newest)
