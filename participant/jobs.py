"""What the worker thread is given to do, and what comes of it. Plain data: no threads, no torch."""

from dataclasses import dataclass

import numpy as np

from protocol.encodings import Packed
from protocol.manifest import Parameters
from protocol.messages import Evaluate, Measurement, Train
from protocol.scenario import Scenario
from protocol.split import ClassSplit


@dataclass(frozen=True, slots=True, eq=False)
class BuildJob:
    """Read the data and build the role for a run."""

    run: str
    scenario: Scenario

    doing = "preparing"


@dataclass(frozen=True, slots=True, eq=False)
class TrainJob:
    order: Train
    start: Parameters

    doing = "training"


@dataclass(frozen=True, slots=True, eq=False)
class EvaluateJob:
    order: Evaluate
    model: Parameters

    doing = "evaluating"


Job = BuildJob | TrainJob | EvaluateJob


@dataclass(frozen=True, slots=True)
class Built:
    manifest_digest: str
    split: ClassSplit
    seconds: float
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """``delta``: as it is sent."""

    delta: Packed
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    measurements: tuple[Measurement, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The job stopped because it was asked to; nothing came of it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended in an error, which is this participant's end.

    ``public`` may be told to the coordinator. The error itself stays here: it can name paths, or the attack.
    """

    error: BaseException
    public: str


# Of an order to train: what may be forgotten, and how the update is to come. The result is the same.
_BESIDE = {"keep_from", "offer"}

Outcome = Built | Trained | Evaluated | Cancelled | Failed


def asks_the_same(one: Job, other: Job) -> bool:
    """Whether both jobs have the same result by definition: same order, same parameters.

    A coordinator resumed from a checkpoint may repeat a round from another θ when other updates arrived in
    time, so the round's number alone does not tell.
    """
    match one, other:
        case TrainJob(), TrainJob():
            same_order = one.order.model_dump(exclude=_BESIDE) == other.order.model_dump(exclude=_BESIDE)
            return same_order and _equal(one.start, other.start)
        case EvaluateJob(), EvaluateJob():
            return one.order == other.order and _equal(one.model, other.model)
        case _:
            return False


def _equal(one: Parameters, other: Parameters) -> bool:
    return len(one.buffers) == len(other.buffers) and all(
        np.array_equal(a, b) for a, b in zip(one.buffers, other.buffers, strict=True)
    )
