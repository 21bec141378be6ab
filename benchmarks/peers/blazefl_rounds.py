"""The rounds of :mod:`benchmarks.rounds` with BlazeFL, which has all participants on one machine.

    build/peers/blazefl/bin/python -m benchmarks.peers.blazefl_rounds processes|threads ROUNDS PARTICIPANTS

BlazeFL says who trains when and where, and carries models and updates: in shared memory to processes, which
it makes anew for each round, or to threads, as many as there are cores. Training and the mean are this
project's own, so that the model is the same. Prints a :class:`benchmarks.local.Took` as a line of JSON."""

import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.multiprocessing as mp
from blazefl.core import (
    BaseServerHandler,
    IPCMode,
    ProcessPoolClientTrainer,
    ThreadPoolClientTrainer,
    process_tensors_in_object,
)

from benchmarks.local import Took, scenario_of
from coordinator.aggregation import AGGREGATIONS
from participant.device import prepare_device
from participant.role import Role
from participant.roles import open_role
from protocol.manifest import Parameters
from protocol.messages import Share, Train
from protocol.models import initial_parameters
from protocol.scenario import Scenario
from tests.simulation import RUN

CORES = os.cpu_count() or 1
ROLES: list[Role] = []  # by client: what a process that is forked has of its parent


@dataclass
class Down:
    round: int
    model: torch.Tensor


@dataclass
class Up:
    cid: int
    delta: torch.Tensor


class Handler(BaseServerHandler[Up, Down]):
    def __init__(self, scenario: Scenario) -> None:
        self._rules = scenario.federation
        self._model = initial_parameters(scenario)
        self._updates = AGGREGATIONS.get(self._rules.aggregation)(self._model.manifest, self._rules)
        self._round = 1
        self.ends: list[float] = []

    def sample_clients(self) -> list[int]:
        return list(range(self._rules.participants))

    def downlink_package(self) -> Down:
        (buffer,) = self._model.buffers
        return Down(self._round, torch.tensor(buffer))

    def if_stop(self) -> bool:
        return self._round > self._rules.rounds

    def load(self, payload: Up) -> bool:
        self._updates.add(Parameters(self._model.manifest, (payload.delta.numpy(),)))
        if self._updates.count < self._rules.participants:
            return False
        self.global_update([])
        return True

    def global_update(self, buffer: list[Up]) -> None:
        self._model = self._updates.step(self._model, self._rules.server_rate.at(self._round))
        self._updates.clear()
        self._round += 1
        self.ends.append(time.perf_counter())

    def digest(self) -> str:
        return self._model.digest()


def train(cid: int, payload: Down) -> torch.Tensor:
    role = ROLES[cid]
    order = Train(
        run=RUN,
        round=payload.round,
        share=Share(index=cid, count=len(ROLES)),
        previous=payload.round - 1,
        keep_from=0,
    )
    start = Parameters(role.manifest, (payload.model.numpy(),))
    (delta,) = role.train(order, start, lambda: False).buffers
    return torch.from_numpy(delta)


class InProcesses(ProcessPoolClientTrainer[Up, Down, int]):
    def __init__(self) -> None:
        self.num_parallels, self.device, self.device_count = CORES, "cpu", 0
        self.ipc_mode, self.share_dir = IPCMode.SHARED_MEMORY, Path()
        self.cache: list[Up] = []
        self._manager = mp.Manager()
        self.stop_event = self._manager.Event()

    def get_client_config(self, cid: int) -> int:
        return cid

    def prepare_uplink_package_buffer(self) -> Up:
        return Up(0, torch.zeros(sum(spec.count for spec in ROLES[0].manifest.parameters)))

    @staticmethod
    def worker(
        config: int | Path,
        payload: Down | Path,
        device: str,
        stop_event: threading.Event,
        *,
        shm_buffer: Up | None = None,
    ) -> Up | Path:
        assert isinstance(config, int)
        assert isinstance(payload, Down)
        assert shm_buffer is not None
        shm_buffer.cid = config
        shm_buffer.delta.copy_(train(config, payload))
        return process_tensors_in_object(shm_buffer, mode="replace")

    def uplink_package(self) -> list[Up]:
        cache, self.cache = self.cache, []
        return cache


class InThreads(ThreadPoolClientTrainer[Up, Down]):
    def __init__(self) -> None:
        self.num_parallels, self.device, self.device_count = CORES, "cpu", 0
        self.cache: list[Up] = []
        self.stop_event = threading.Event()

    def worker(self, cid: int, device: str, payload: Down, stop_event: threading.Event) -> Up:
        return Up(cid, train(cid, payload))

    def uplink_package(self) -> list[Up]:
        cache, self.cache = self.cache, []
        return cache


def main(how: str, rounds: int, participants: int) -> None:
    scenario = scenario_of(rounds, participants)
    device = prepare_device("cpu", "BlazeFL")
    mp.set_start_method("fork")  # also where that is not the default: a process finds the roles in its parent
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, participants + 1):
            name = f"participant-{number}"
            state = Path(folder) / name
            ROLES.append(
                open_role("benign", scenario, name=name, device=device, data_dir=None, state_dir=state)
            )
        handler = Handler(scenario)
        for cid in range(participants):
            # As on the other sides, whoever trains has done so before: here the parent of each process.
            train(cid, handler.downlink_package())
        trainer = InProcesses() if how == "processes" else InThreads()
        while not handler.if_stop():
            trainer.local_process(handler.downlink_package(), handler.sample_clients())
            for package in trainer.uplink_package():
                handler.load(package)
    seconds = [later - earlier for earlier, later in pairwise(handler.ends)]
    print(json.dumps(asdict(Took(seconds, handler.digest()))))


if __name__ == "__main__":
    _, how, rounds, participants = sys.argv
    main(how, int(rounds), int(participants))
