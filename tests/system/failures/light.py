"""The whole command line with a model that needs no torch: python -m tests.system.failures.light COMMAND...

Processes, sockets, files and every decision are the real ones; only what is learned is a function of names.
So a federation starts in a second, and its model can be as large as a test wants it.
"""

import os
import threading
from functools import partial
from unittest.mock import patch

import numpy as np

import coordinator.cli
import participant.session
from coordinator.service import serve
from deploy.cli import main
from participant.jobs import BuildJob
from participant.role import Cancelled, Role, WorkCancelled
from participant.session import OpenRole, Settings
from protocol.manifest import Manifest, Parameters, ParameterSpec
from protocol.messages import Evaluate, Measurement, Train
from protocol.scenario import Scenario
from protocol.seeds import generator
from protocol.split import ClassSplit

SPLIT = ClassSplit(
    train=("a", "b"), validation=("c", "d"), test=tuple("efghij"), backdoor=("k",), target=("l",)
)  # of the sizes in the tiny scenario
LOOK_S = 0.01


def manifest() -> Manifest:
    count = int(os.environ.get("LIGHT_PARAMETERS", "1000"))
    return Manifest(parameters=(ParameterSpec(name="weight", shape=(count,)),))


def drawn(seed: int, *purpose: str | int) -> np.ndarray:
    (spec,) = manifest().parameters
    return generator(seed, *purpose).normal(size=spec.shape).astype("<f4")


def work_s() -> float:
    """How long a training takes."""
    return float(os.environ.get("LIGHT_WORK_S", "0.02"))


def initial_parameters(scenario: Scenario) -> Parameters:
    return Parameters(manifest(), (drawn(scenario.federation.seed, "initial"),))


class LightRole(Role):
    """δ depends on the round, on who asks and on the model that the round began with."""

    def __init__(self, name: str) -> None:
        self.manifest, self.split = manifest(), SPLIT
        self._name = name

    def train(self, order: Train, start: Parameters, cancelled: Cancelled) -> Parameters:
        pause = threading.Event()
        for _ in range(round(work_s() / LOOK_S)):
            pause.wait(LOOK_S)  # the work
            if cancelled():
                raise WorkCancelled
        return self.update(order, start)

    def update(self, order: Train, start: Parameters) -> Parameters:
        (model,) = start.buffers
        return Parameters(self.manifest, (drawn(0, self._name, order.round) - model / 8,))

    def evaluate(self, order: Evaluate, model: Parameters, cancelled: Cancelled) -> tuple[Measurement, ...]:
        return ()


def start(role: type[LightRole] = LightRole) -> None:
    """The command line, with participants of this role."""

    def opener(settings: Settings) -> OpenRole:
        def open_it(job: BuildJob) -> tuple[Role, str]:
            return role(settings.name), "cpu"

        return open_it

    light = partial(serve, initial_parameters=initial_parameters)
    with (
        patch.object(coordinator.cli, "serve", light),
        patch.object(participant.session, "role_opener", opener),
    ):
        main()


if __name__ == "__main__":
    start()
