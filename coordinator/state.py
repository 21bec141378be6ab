"""What a coordinator must remember to go on after a restart; stored beside the model in every checkpoint."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from protocol.manifest import Manifest
from protocol.messages import ParticipantName, RoundNumber, RunId

ShareIndex = Annotated[int, Field(ge=0)]
CHECKPOINT_VERSION: Literal[2] = 2


class Unmeasured(BaseModel):
    """A round whose model is still to be measured. ``reported``: the participants that have done so, where
    all of them measure."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    round: RoundNumber
    reported: tuple[ParticipantName, ...] = ()


class FederationState(BaseModel):
    """After ``round`` completed rounds.

    ``roster``: participants that became ready and did not leave; selection draws from it. ``shares``: index
    of each one's share of the training classes. ``previous``: last round whose aggregate holds its update.
    ``keep_from``: ``previous`` as of the oldest checkpoint that a restart may still fall back to.
    ``evaluations``: what waits to be measured. ``elapsed_s``: run time so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    run: RunId
    round: RoundNumber
    roster: tuple[ParticipantName, ...] = ()
    shares: dict[ParticipantName, ShareIndex] = {}
    previous: dict[ParticipantName, RoundNumber] = {}
    keep_from: dict[ParticipantName, RoundNumber] = {}
    evaluations: tuple[Unmeasured, ...] = ()
    auditor_seen: bool = False
    elapsed_s: Annotated[float, Field(ge=0)] = 0.0
    completed: bool = False


class CheckpointRecord(BaseModel):
    """The state file of a checkpoint: the state, and what the model file beside it must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[2]
    state: FederationState
    manifest: Manifest
    model_digest: str
