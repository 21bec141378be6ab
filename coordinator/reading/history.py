"""What happened in a run, as data: rounds, participants and evaluations."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from protocol.messages import BackdoorAccuracy, Difference, Interval

Status = Literal["running", "completed", "failed", "interrupted"]
Presence = Literal["alive", "lost", "left"]
MovementKind = Literal["joined", "lost", "left", "refused"]


@dataclass(frozen=True, slots=True)
class Update:
    """One accepted update: the L2 norm of δ, its bytes on the wire, the participant's own seconds."""

    participant: str
    norm: float
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Rejection:
    participant: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a round: the counts of its ``round_completed``; ``rejections`` by reason."""

    received: int
    rejected: int
    seconds: float
    bytes_in: int
    bytes_out: int
    model_digest: str
    rejections: dict[str, int]


@dataclass(frozen=True, slots=True)
class Round:
    """``completion`` is None while the round is going on. ``retries`` counts selections after the first;
    the updates are those of the last. Of rejections the first of a kind are here, all are in ``completion``.
    """

    number: int
    started: datetime
    selected: tuple[str, ...]
    updates: tuple[Update, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    retries: int = 0
    completion: Completion | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """``joined`` and ``lost`` count; ``refusals`` are the reasons it was given."""

    name: str
    auditor: bool = False
    presence: Presence = "left"
    joined: int = 0
    lost: int = 0
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Movement:
    """A participant came, went or was turned away while ``round`` was the newest one."""

    participant: str
    kind: MovementKind
    round: int
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One decision logic measured on the model after ``round``; accuracies are fractions.

    ``auditor``: who measured. ``private``: it was a participant with its own private part of the model, so
    that others' measurements of the same model are other measurements. ``seconds``: how long it measured this
    model.
    """

    round: int
    auditor: str
    decision: str
    shot: int | None
    adaptation_steps: int
    backdoor_in_support: bool
    transductive: bool | None
    main_accuracy: Interval
    backdoor_accuracy: BackdoorAccuracy
    difference: Difference | None = None
    private: bool = False
    seconds: float | None = None

    @property
    def setting(self) -> tuple[int, str, int, int, bool, str]:
        """What tells two measurements apart; measured again, by any auditor, the later one counts."""
        return (
            self.round, self.decision, self.shot or 0, self.adaptation_steps, self.backdoor_in_support,
            self.auditor if self.private else "",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Skipped:
    """A measurement that is missing; ``participant``: whose, None for all."""

    round: int
    reason: str
    participant: str | None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """``start_round`` and ``started_from``: the round of the checkpoint that the run began with, 0 for a
    fresh model, and what the checkpoint was. ``restarts``: the rounds from which it was resumed."""

    run: str | None = None
    scenario: str | None = None
    seed: int | None = None
    parameters: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    start_round: int = 0
    started_from: str | None = None
    endpoint: str | None = None
    status: Status = "running"
    reason: str | None = None
    started: datetime | None = None
    last_event: datetime | None = None
    resumed: int = 0
    restarts: tuple[int, ...] = ()
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Rounds and evaluations in their order, participants by name; ``unreadable`` lines were passed over."""

    info: RunInfo
    rounds: tuple[Round, ...]
    participants: tuple[Participant, ...]
    evaluations: tuple[Evaluation, ...]
    unreadable: int
    movements: tuple[Movement, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def completed(self) -> tuple[Round, ...]:
        return tuple(round_ for round_ in self.rounds if round_.completion)

    @property
    def newest(self) -> int:
        """The newest round that is known of, begun or measured."""
        rounds = self.rounds[-1:]
        return max(
            self.info.start_round, *(one.round for one in self.evaluations), *(r.number for r in rounds), 0
        )

    @property
    def measurements_only(self) -> bool:
        """Models were measured of rounds that are not here: a study's archive leaves these out."""
        return not self.rounds and self.newest > self.info.start_round
