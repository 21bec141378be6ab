"""The same rounds in Flower: start_server and start_client, which keep their connections, FedAvg over all.

    build/peers/flwr/bin/python -m benchmarks.peers.flower PARAMETERS PARTICIPANTS [tls]

Runs in Flower's own environment (``make build/peers/flwr/.installed``). Prints a
:class:`benchmarks.wire.measured.Go` of the server's process, as a line of JSON. Participants that share a
process are threads of it."""

import multiprocessing
import os
import socket
import sys
import threading
import time
from itertools import pairwise
from multiprocessing.process import BaseProcess

import numpy as np
from flwr.client import NumPyClient, start_client
from flwr.common import FitRes, Parameters, Scalar, ndarrays_to_parameters
from flwr.server import ServerConfig, start_server
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import FedAvg
from numpy.typing import NDArray

from benchmarks.peers.certificates import Certificates, for_this_machine
from benchmarks.wire.measured import WARM_UP, Case, Go
from tests.system.usage import peak_kib, processor_s, resident_kib

TLS = "tls"


class Echo(NumPyClient):
    def fit(
        self, parameters: list[NDArray[np.float32]], config: dict[str, Scalar]
    ) -> tuple[list[NDArray[np.float32]], int, dict[str, Scalar]]:
        return [parameters[0] + np.float32(1.0)], 1, {}


def echoes(address: str, root: bytes | None, count: int) -> None:
    """``count`` participants, until the server sends them away."""

    def one() -> None:
        start_client(server_address=address, client=Echo().to_client(), root_certificates=root)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Timed(FedAvg):
    """FedAvg over all, which notes when each round is over. The participants start when the server asks for
    the first parameters: from then on it is there."""

    def __init__(self, case: Case, address: str, root: bytes | None) -> None:
        super().__init__(
            fraction_fit=1.0,
            fraction_evaluate=0.0,
            min_fit_clients=case.participants,
            min_available_clients=case.participants,
            initial_parameters=ndarrays_to_parameters([np.zeros(case.parameters, np.float32)]),
        )
        self._last = WARM_UP + case.rounds
        spawn = multiprocessing.get_context("spawn")
        self.processes: list[BaseProcess] = [
            spawn.Process(target=echoes, args=(address, root, count)) for count in case.shared_out()
        ]
        self.ends: list[float] = []
        self.idle_kib = self.peak_kib = 0
        self.before: list[float] = []
        self.after: list[float] = []

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters | None:
        self.idle_kib = resident_kib(os.getpid())
        for process in self.processes:
            process.start()
        return super().initialize_parameters(client_manager)

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[tuple[ClientProxy, FitRes] | BaseException],
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        if failures:
            raise RuntimeError(f"round {server_round}: {failures[0]}")
        aggregated = super().aggregate_fit(server_round, results, failures)
        self.ends.append(time.perf_counter())
        if server_round == WARM_UP:
            self.before = self._processor_s()
        if server_round == self._last:
            self.after, self.peak_kib = self._processor_s(), peak_kib(os.getpid())
        return aggregated

    def _processor_s(self) -> list[float]:
        pids = [process.pid for process in self.processes if process.pid is not None]
        return [processor_s(pid) for pid in (os.getpid(), *pids)]


def main(case: Case) -> None:
    certificates = for_this_machine() if case.keys else None
    address = f"127.0.0.1:{_free_port()}"
    strategy = Timed(case, address, certificates.root if certificates else None)
    start_server(
        server_address=address,
        config=ServerConfig(num_rounds=WARM_UP + case.rounds),
        strategy=strategy,
        certificates=_for_flower(certificates),
    )
    for process in strategy.processes:
        process.join()
    ends = strategy.ends[WARM_UP - 1 :]
    seconds = [later - earlier for earlier, later in pairwise(ends)]
    used = [after - before for before, after in zip(strategy.before, strategy.after, strict=True)]
    print(Go.of(seconds, used[0], sum(used), strategy.idle_kib, strategy.peak_kib).line())


def _for_flower(certificates: Certificates | None) -> tuple[bytes, bytes, bytes] | None:
    return (certificates.root, certificates.server, certificates.key) if certificates else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    _, parameters, participants, *how = sys.argv
    main(Case(int(parameters), int(participants), TLS in how))
