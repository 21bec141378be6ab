"""The journal's events that a reader relies on, as typed models: one line in, one event out.

Fields that are not needed for reading a run are left alone, so a newer coordinator may log more.
"""

import json
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from protocol.messages import BackdoorAccuracy, Difference, Interval


class Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    timestamp: datetime
    level: str
    event: str
    run: str | None = None


class Other(Event):
    """A line of the journal that a reader of rounds can do without."""


class RunStarted(Event):
    """``round`` and ``started_from``: where a run did not begin with a fresh model, the round of the
    checkpoint that it began with, and that checkpoint."""

    name: ClassVar = "run_started"
    endpoint: str | None = None
    scenario: str | None = None
    seed: int | None = None
    parameters: int | None = None
    versions: dict[str, str] = {}
    round: int = 0
    started_from: str | None = None


class RunResumed(Event):
    name: ClassVar = "run_resumed"
    round: int
    endpoint: str | None = None
    versions: dict[str, str] = {}


class RunCompleted(Event):
    name: ClassVar = "run_completed"


class RunFailed(Event):
    name: ClassVar = "run_failed"
    reason: str = "no reason given"


class RunInterrupted(Event):
    name: ClassVar = "run_interrupted"


class RunWaiting(Event):
    name: ClassVar = "run_waiting"
    round: int
    reason: str = "participants"
    joined: int
    needed: int


class ParticipantJoined(Event):
    name: ClassVar = "participant_joined"
    participant: str
    auditor: bool = False


class ParticipantLost(Event):
    name: ClassVar = "participant_lost"
    participant: str
    reason: str | None = None


class ParticipantLeft(Event):
    name: ClassVar = "participant_left"
    participant: str
    reason: str | None = None


class ParticipantRefused(Event):
    name: ClassVar = "participant_refused"
    participant: str | None = None
    reason: str


class RoundStarted(Event):
    name: ClassVar = "round_started"
    round: int
    selected: tuple[str, ...]


class UpdateAccepted(Event):
    name: ClassVar = "update_accepted"
    round: int
    participant: str
    norm: float
    bytes: int
    seconds: float


class UpdateRejected(Event):
    name: ClassVar = "update_rejected"
    round: int | None = None
    participant: str | None = None
    reason: str


class RoundRetried(Event):
    name: ClassVar = "round_retried"
    round: int


class RoundCompleted(Event):
    name: ClassVar = "round_completed"
    round: int
    received: int
    rejected: int
    seconds: float
    bytes_in: int
    bytes_out: int
    model_digest: str
    rejections: dict[str, int] = {}


class Evaluated(Event):
    """``auditor``: who measured, an auditor or, with its own private part of the model, a participant.
    ``seconds``: how long all of its measurements of this model took."""

    name: ClassVar = "evaluated"
    round: int
    auditor: str
    decision: str
    shot: int | None = None
    adaptation_steps: int
    backdoor_in_support: bool
    transductive: bool | None = None
    main_accuracy: Interval
    backdoor_accuracy: BackdoorAccuracy
    difference: Difference | None = None
    seconds: float | None = None


class EvaluationSkipped(Event):
    """``participant``: whose measurement is missing; None where nobody's is there."""

    name: ClassVar = "evaluation_skipped"
    round: int
    reason: str
    participant: str | None = None


class CheckpointWritten(Event):
    name: ClassVar = "checkpoint_written"
    round: int


KNOWN: dict[str, type[Event]] = {
    kind.name: kind
    for kind in (
        RunStarted, RunResumed, RunCompleted, RunFailed, RunInterrupted, RunWaiting,
        ParticipantJoined, ParticipantLost, ParticipantLeft, ParticipantRefused,
        RoundStarted, UpdateAccepted, UpdateRejected, RoundRetried, RoundCompleted,
        Evaluated, EvaluationSkipped, CheckpointWritten,
    )
}  # fmt: skip


def parse_event(line: str) -> Event | None:
    """The event of a journal line; None for a line that is torn, or not a journal's."""
    try:
        document: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    try:
        return KNOWN.get(str(document.get("event")), Other).model_validate(document)
    except ValidationError:
        return None
