"""Flower's side of a round, however its participants are started: FedAvg over all, and clients that echo.

Runs in Flower's own environment (``make build/peers/flwr/.installed``).
"""

import os
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from flwr.client import NumPyClient
from flwr.common import FitRes, Parameters, Scalar, ndarrays_to_parameters
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import FedAvg
from numpy.typing import NDArray

from benchmarks.wire.measured import WARM_UP, Case, Go
from tests.system.usage import and_below, peak_kib, processor_s, resident_kib


class Echo(NumPyClient):
    def fit(
        self, parameters: list[NDArray[np.float32]], config: dict[str, Scalar]
    ) -> tuple[list[NDArray[np.float32]], int, dict[str, Scalar]]:
        return [parameters[0] + np.float32(1.0)], 1, {}


class Timed(FedAvg):
    """FedAvg over all, which notes when each round is over. ``start`` is called when the server asks for the
    first parameters: from then on it is there for participants."""

    def __init__(self, case: Case, start: Callable[[], None]) -> None:
        super().__init__(
            fraction_fit=1.0,
            fraction_evaluate=0.0,
            min_fit_clients=case.participants,
            min_available_clients=case.participants,
            initial_parameters=ndarrays_to_parameters([np.zeros(case.parameters, np.float32)]),
        )
        self.rounds = WARM_UP + case.rounds
        self._start = start
        self._ends: list[float] = []
        self._idle_kib = self._peak_kib = 0
        self._before: dict[int, float] = {}
        self._after: dict[int, float] = {}

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters | None:
        self._idle_kib = resident_kib(os.getpid())
        self._start()
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
        self._ends.append(time.perf_counter())
        if server_round == WARM_UP:
            self._before = _processor_s()
        if server_round == self.rounds:
            self._after, self._peak_kib = _processor_s(), peak_kib(os.getpid())
        return aggregated

    def found(self) -> Go:
        seconds = [later - earlier for earlier, later in pairwise(self._ends[WARM_UP - 1 :])]
        used = {pid: after - self._before.get(pid, 0.0) for pid, after in self._after.items()}
        return Go.of(seconds, used[os.getpid()], sum(used.values()), self._idle_kib, self._peak_kib)


def _processor_s() -> dict[int, float]:
    """Of this process and all below it, by process."""
    return {pid: processor_s(pid) for pid in and_below(os.getpid())}
