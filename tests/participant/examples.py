"""A tiny federation for tests of the participant's process: messages as a coordinator sends them, a role
that needs no torch, and what a role says."""

import threading
from dataclasses import dataclass, field

import numpy as np

from participant.jobs import BuildJob
from participant.role import Cancelled, Role, WorkCancelled
from protocol.manifest import Manifest, Parameters, ParameterSpec
from protocol.messages import (
    BackdoorAccuracy,
    Evaluate,
    Interval,
    Join,
    Measurement,
    Share,
    Train,
    Welcome,
)
from protocol.scenario import Scenario, dump_scenario, parse_scenario
from protocol.split import ClassSplit

RUN = "0123456789abcdef"
OTHER_RUN = "fedcba9876543210"
MANIFEST = Manifest(parameters=(ParameterSpec(name="weight", shape=(2, 3)),))
OTHER_MANIFEST = Manifest(parameters=(ParameterSpec(name="weight", shape=(3,)),))
SPLIT = ClassSplit(train=("a", "b"), validation=("c",), test=("d",), backdoor=("e",), target=("f",))
COORDINATOR = "tcp://127.0.0.1:5555"


def scenario(heartbeat_s: float = 1.0, liveness_s: float = 10.0) -> Scenario:
    return parse_scenario(
        "", [f"federation.heartbeat_s={heartbeat_s}", f"federation.liveness_s={liveness_s}"]
    )


def join(auditor: bool = False) -> Join:
    return Join(name="ann", auditor=auditor, software="tests")


def welcome(
    run: str = RUN, manifest: Manifest = MANIFEST, heartbeat_s: float = 1.0, liveness_s: float = 10.0
) -> Welcome:
    text = dump_scenario(scenario(heartbeat_s, liveness_s))
    return Welcome(run=run, round=1, scenario=text, manifest=manifest)


def train(round_number: int = 1, run: str = RUN) -> Train:
    return Train(run=run, round=round_number, share=Share(index=0, count=2), previous=0, keep_from=0)


def evaluate(round_number: int = 1, run: str = RUN, share: Share | None = None) -> Evaluate:
    """For an auditor; with a share, for a participant that measures with its own private part."""
    return Evaluate(run=run, round=round_number, share=share)


def model(value: float = 0.0) -> Parameters:
    return Parameters(MANIFEST, (np.full(6, value, "<f4"),))


def measurement() -> Measurement:
    interval = Interval(mean=0.5, ci95=0.1, episodes=10)
    return Measurement(
        decision="linear",
        shot=5,
        adaptation_steps=50,
        backdoor_in_support=False,
        transductive=False,
        main_accuracy=interval,
        backdoor_accuracy=BackdoorAccuracy(attack_train=interval, attack_validation=interval),
    )


@dataclass
class FakeRole(Role):
    """Answers each round with its number in every value. While ``hold`` is set, it works until cancelled; a
    ``stubborn`` one goes on even then."""

    manifest: Manifest = MANIFEST
    split: ClassSplit = SPLIT
    hold: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    trained: list[int] = field(default_factory=list)
    error: Exception | None = None
    stubborn: bool = False

    def train(self, order: Train, start: Parameters, cancelled: Cancelled) -> Parameters:
        self._work(cancelled)
        self.trained.append(order.round)
        return Parameters(self.manifest, tuple(buffer * 0 + order.round for buffer in start.buffers))

    def evaluate(self, order: Evaluate, model: Parameters, cancelled: Cancelled) -> tuple[Measurement, ...]:
        self._work(cancelled)
        return (measurement(),)

    def _work(self, cancelled: Cancelled) -> None:
        self.begun.set()
        if self.error is not None:
            raise self.error
        step = threading.Event()
        while self.hold.is_set():
            step.wait(0.005)
            if cancelled() and not self.stubborn:
                raise WorkCancelled

    def open(self, job: BuildJob) -> tuple[Role, str]:
        return self, "cpu"
