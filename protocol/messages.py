"""Every message of the conversation, as a typed model. The codec puts them on the wire; docs/PROTOCOL.md
describes them for other languages.

join → welcome or refuse; ready → (nothing, or refuse);
train → (offer → fetch, where it is to wait for its turn →) update → accepted or rejected;
evaluate → evaluation → accepted or rejected; heartbeat both ways; leave; shutdown.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from protocol.manifest import Manifest
from protocol.split import ClassSplit

PROTOCOL_VERSION = 5

MAX_TEXT = 1024
Text = Annotated[str, Field(max_length=MAX_TEXT)]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
NAME_FORM = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"  # for people
ParticipantName = Annotated[str, Field(pattern=NAME_PATTERN)]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
RoundNumber = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

RefuseReason = Literal[
    "other_version",  # another PROTOCOL_VERSION
    "name_taken",  # a live participant has this name
    "other_manifest",  # the participant's model has other parameters
    "other_split",  # the participant's data give another class split
    "not_joined",  # the sender must join first (the coordinator was restarted, or took it for lost)
    "bad_share",  # --share i/n does not fit this federation, or somebody else has it
    "other_name",  # the sender's key has another name than the one that it claims
    "revoked",  # the sender's key is not let in any more
    "too_fast",  # more messages than anybody needs to send
]
RejectReason = Literal[
    "late",  # its round is over
    "stale",  # of a round long over
    "future",  # of a round that has not begun
    "duplicate",  # a second update of the same round
    "foreign",  # of another run
    "not_selected",  # its sender was not asked
    "wrong_size",  # tensor frames are not the manifest's
    "non_finite",  # NaN or infinity in it
    "out_of_range",  # a value too large for exact aggregation
    "malformed",  # it is no message at all
    "unexpected",  # a message that this side does not take now
]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = PROTOCOL_VERSION


class Share(BaseModel):
    """The ``index``-th (from 0) of ``count`` disjoint shares of the training classes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    index: Annotated[int, Field(ge=0, lt=2**20)]
    count: Annotated[int, Field(ge=1, lt=2**20)]


class Interval(BaseModel):
    """A mean over episodes with its 95 % half-width, as fractions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mean: Fraction
    ci95: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    episodes: Annotated[int, Field(ge=1, lt=2**31)]


class BackdoorAccuracy(BaseModel):
    """Share of backdoor-class images predicted as the target class, by image set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    attack_train: Interval
    attack_validation: Interval


class SignedInterval(BaseModel):
    """A mean difference of fractions over the same episodes, with its 95 % half-width."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mean: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
    ci95: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    episodes: Annotated[int, Field(ge=1, lt=2**31)]


class Difference(BaseModel):
    """This decision minus the decision ``against``, episode by episode, all else equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    against: Annotated[str, Field(max_length=64)]
    main_accuracy: SignedInterval
    attack_train: SignedInterval
    attack_validation: SignedInterval


class Measurement(BaseModel):
    """What one decision logic does with one model; the fields of the journal's ``evaluated`` event.
    ``difference``: from the first decision of the scenario, where this is not it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    decision: Annotated[str, Field(max_length=64)]
    shot: Annotated[int, Field(ge=1, lt=2**20)]
    adaptation_steps: Annotated[int, Field(ge=0, lt=2**31)]
    backdoor_in_support: bool
    transductive: bool
    main_accuracy: Interval
    backdoor_accuracy: BackdoorAccuracy
    difference: Difference | None = None


# Participant to coordinator


class Join(Message):
    type: Literal["join"] = "join"
    name: ParticipantName
    auditor: bool
    share: Share | None = None
    software: Annotated[str, Field(max_length=64)]


class Ready(Message):
    """The participant has built the model and read its data; it can be selected from now on."""

    type: Literal["ready"] = "ready"
    run: RunId
    manifest_digest: Digest
    split: ClassSplit


class Offer(Message):
    """The update is there, to be sent when it is fetched."""

    type: Literal["offer"] = "offer"
    run: RunId
    round: RoundNumber


class Update(Message):
    """Followed by the buffers of δ = θ_i − θ_t."""

    type: Literal["update"] = "update"
    run: RunId
    round: RoundNumber
    seconds: Seconds


class EvaluationReport(Message):
    type: Literal["evaluation"] = "evaluation"
    run: RunId
    round: RoundNumber
    seconds: Seconds
    measurements: Annotated[tuple[Measurement, ...], Field(max_length=1024), FailFast()]


class Leave(Message):
    type: Literal["leave"] = "leave"
    run: RunId
    reason: Text


# Coordinator to participant


class Welcome(Message):
    """``scenario`` is the TOML text of the scenario with all defaults filled in."""

    type: Literal["welcome"] = "welcome"
    run: RunId
    round: RoundNumber
    scenario: Annotated[str, Field(max_length=2**19)]
    manifest: Manifest


class Refuse(Message):
    type: Literal["refuse"] = "refuse"
    reason: RefuseReason
    detail: Text


class Train(Message):
    """Followed by the buffers of θ_t.

    ``previous`` is the last round whose aggregate holds an update of this participant (0: none): what it
    keeps to itself goes on from there. States of rounds before ``keep_from`` will never be asked for again.
    ``offer``: the update is to be offered, and sent when it is fetched.
    """

    type: Literal["train"] = "train"
    run: RunId
    round: RoundNumber
    share: Share
    previous: RoundNumber
    keep_from: RoundNumber
    offer: bool = False


class Fetch(Message):
    """The update of that round that was offered is to be sent."""

    type: Literal["fetch"] = "fetch"
    run: RunId
    round: RoundNumber


class Evaluate(Message):
    """Followed by the buffers of the model after ``round``.

    ``share`` and ``previous`` as in ``train``, for a participant that measures with its own private
    parameters; an auditor is sent no share.
    """

    type: Literal["evaluate"] = "evaluate"
    run: RunId
    round: RoundNumber
    share: Share | None = None
    previous: RoundNumber = 0


class Accepted(Message):
    type: Literal["accepted"] = "accepted"
    run: RunId
    round: RoundNumber


class Rejected(Message):
    type: Literal["rejected"] = "rejected"
    run: RunId | None
    round: RoundNumber | None
    reason: RejectReason
    detail: Text = ""


class Shutdown(Message):
    """The run is over; answered with ``leave``."""

    type: Literal["shutdown"] = "shutdown"
    run: RunId
    failed: bool
    reason: Text


# Both ways


class Heartbeat(Message):
    type: Literal["heartbeat"] = "heartbeat"
    run: RunId


AnyMessage = Annotated[
    Join | Ready | Offer | Update | EvaluationReport | Leave
    | Welcome | Refuse | Train | Fetch | Evaluate | Accepted | Rejected | Shutdown
    | Heartbeat,
    Field(discriminator="type"),
]  # fmt: skip
