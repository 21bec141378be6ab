"""The journal's events, each with its fields: the one place that says what RUN_DIR/journal.jsonl can hold.

``timestamp``, ``level``, ``event`` and ``run`` are added to each line. A reader relies on these names.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal, Self

from protocol.messages import BackdoorAccuracy, Difference, EvaluationReport, Interval, Measurement

WaitingReason = Literal["participants", "attempts", "auditor", "evaluation"]
LostReason = Literal["silent", "unreachable", "replaced", "revoked", "too_fast", "endless"]


@dataclass(frozen=True, slots=True)
class JournalEvent:
    level: ClassVar[Literal["debug", "info", "warning", "error"]] = "info"

    @classmethod
    def name(cls) -> str:
        """``UpdateAccepted`` → ``update_accepted``."""
        return _snake_case(cls.__name__)


# The run


@dataclass(frozen=True, slots=True)
class RunStarted(JournalEvent):
    """``round``: of the model that it begins with; 0, unless it was ``started_from`` a checkpoint."""

    round: int
    started_from: str | None
    endpoint: str
    scenario: str
    seed: int
    rounds: int
    participants: int
    parameters: int
    model_digest: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunResumed(JournalEvent):
    """``round`` is the last completed one; the run goes on with the next."""

    round: int
    endpoint: str
    scenario: str
    seed: int
    rounds: int
    model_digest: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunWaiting(JournalEvent):
    """``joined`` ready participants, where ``needed`` are wanted before the round can start or go on, or
    before its model has been measured by all (the reason ``evaluation``)."""

    level = "warning"
    round: int
    reason: WaitingReason
    joined: int
    needed: int


@dataclass(frozen=True, slots=True)
class RunCompleted(JournalEvent):
    rounds: int
    model_digest: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunInterrupted(JournalEvent):
    level = "warning"
    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunFailedEvent(JournalEvent):
    level = "error"
    round: int
    reason: str

    @classmethod
    def name(cls) -> str:
        return "run_failed"


# Participants


@dataclass(frozen=True, slots=True)
class ParticipantJoined(JournalEvent):
    participant: str
    auditor: bool
    software: str


@dataclass(frozen=True, slots=True)
class ParticipantReady(JournalEvent):
    participant: str
    auditor: bool


@dataclass(frozen=True, slots=True)
class ParticipantLost(JournalEvent):
    level = "warning"
    round: int
    participant: str
    reason: LostReason


@dataclass(frozen=True, slots=True)
class ParticipantLeft(JournalEvent):
    round: int
    participant: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParticipantRefused(JournalEvent):
    level = "warning"
    participant: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class MessageRefused(JournalEvent):
    """The first of its kind from a connection in a round; all are counted in ``round_completed``.
    ``sender``: the participant's name, or that of the connection's key, or the connection's id in hex before
    it has joined where there are no keys."""

    level = "warning"
    round: int
    sender: str
    reason: str
    detail: str


# Strangers, and limits


@dataclass(frozen=True, slots=True)
class RefusalsUnsaid(JournalEvent):
    """So many refusals have been ``said`` since the last completed round, or within ``seconds``, that others
    are only counted for now."""

    level = "warning"
    said: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Insecure(JournalEvent):
    """Anybody who reaches the address can take part, and read what is said."""

    level = "warning"
    endpoint: str


@dataclass(frozen=True, slots=True)
class KeyRefused(JournalEvent):
    """A connection was not let in. The first of its kind from an address in a round; all are counted in
    ``round_completed``. ``participant``: whose key it was before it was revoked."""

    level = "warning"
    round: int
    address: str
    reason: str
    key: str
    participant: str | None


@dataclass(frozen=True, slots=True)
class HandshakeFailed(JournalEvent):
    """Somebody connected and did not come as far as showing a key. The first of its kind from an address in
    a round; all are counted in ``round_completed``. ``address``: None of one that was gone too soon.
    ``code``: libzmq's own word for it, an errno or a protocol error."""

    level = "warning"
    round: int
    address: str | None
    reason: str
    code: int


@dataclass(frozen=True, slots=True)
class ConnectionCut(JournalEvent):
    """It cost more than it should. The first of its kind from a participant, or of strangers, in a round;
    all are counted in ``round_completed``."""

    level = "warning"
    round: int
    reason: str
    participant: str | None


@dataclass(frozen=True, slots=True)
class AllowListChanged(JournalEvent):
    """Names whose keys are let in from now on, and those whose keys are no longer."""

    allowed: list[str]
    revoked: list[str]


@dataclass(frozen=True, slots=True)
class AllowListIgnored(JournalEvent):
    """What it says now cannot be used: the one before stays in force."""

    level = "warning"
    reason: str


# Rounds


@dataclass(frozen=True, slots=True)
class RoundStarted(JournalEvent):
    round: int
    attempt: int
    selected: list[str]


@dataclass(frozen=True, slots=True)
class RoundRetried(JournalEvent):
    level = "warning"
    round: int
    attempt: int
    received: int
    needed: int
    missing: list[str]


@dataclass(frozen=True, slots=True)
class UpdateAccepted(JournalEvent):
    """``seconds`` as the participant measured its training, ``waited_s`` from the order to the update;
    ``norm``: L2 over all values of δ."""

    round: int
    participant: str
    norm: float
    bytes: int
    seconds: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class UpdateRejected(JournalEvent):
    """The first of its kind from a participant in a round; all are counted in ``round_completed``.
    ``update_round`` is the round that the update names."""

    level = "warning"
    round: int
    participant: str
    reason: str
    detail: str
    update_round: int | None


@dataclass(frozen=True, slots=True)
class RoundCompleted(JournalEvent):
    """``rejected`` counts all that was turned away since the round before; ``rejections`` by reason.
    ``longest_pause_s``: the longest for which the coordinator took no message meanwhile, because it did
    something else, or had no processor: of it, it had one for ``longest_pause_busy_s``."""

    round: int
    received: int
    rejected: int
    rejections: dict[str, int]
    seconds: float
    bytes_in: int
    bytes_out: int
    longest_pause_s: float
    longest_pause_busy_s: float
    model_digest: str
    server_rate: float


# Checkpoints


@dataclass(frozen=True, slots=True)
class CheckpointWritten(JournalEvent):
    round: int
    path: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckpointDamaged(JournalEvent):
    level = "warning"
    path: str
    reason: str


# Measurements


@dataclass(frozen=True, slots=True)
class Evaluated(JournalEvent):
    """``auditor``: who measured, be it an auditor or a participant that trains."""

    round: int
    auditor: str
    decision: str
    shot: int
    adaptation_steps: int
    backdoor_in_support: bool
    transductive: bool
    main_accuracy: Interval
    backdoor_accuracy: BackdoorAccuracy
    difference: Difference | None
    seconds: float

    @classmethod
    def of(cls, measurement: Measurement, report: EvaluationReport, auditor: str) -> Self:
        return cls(
            round=report.round,
            auditor=auditor,
            decision=measurement.decision,
            shot=measurement.shot,
            adaptation_steps=measurement.adaptation_steps,
            backdoor_in_support=measurement.backdoor_in_support,
            transductive=measurement.transductive,
            main_accuracy=measurement.main_accuracy,
            backdoor_accuracy=measurement.backdoor_accuracy,
            difference=measurement.difference,
            seconds=report.seconds,
        )


@dataclass(frozen=True, slots=True)
class EvaluationSkipped(JournalEvent):
    """``participant``: who has not measured, where all of them were to."""

    level = "warning"
    round: int
    reason: str
    participant: str | None = None


@cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
