"""Episodes side by side on a few threads, each classified by every decision."""

import copy
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from participant.decisions import Decision
from participant.learning.episodes import Episode
from participant.role import Cancelled, WorkCancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from protocol.seeds import generator

Hits = NDArray[np.bool_]  # [T, Q]: after each number of steps, which query images got the episode's label


class EpisodeRunner:
    """Classifies with copies of ``network`` as it is now; episodes are numbered from ``first``. Threads are
    worth it since torch leaves the interpreter's lock while it computes."""

    def __init__(
        self,
        network: FewShotNetwork,
        scenario: Scenario,
        *,
        first: int,
        workers: int,
        cancelled: Cancelled,
    ) -> None:
        self._network = network
        self._values = [value.detach().clone() for value in network.parameters()]
        self._scenario = scenario
        self._numbers = range(first, first + scenario.evaluation.episodes)
        self._cancelled = cancelled
        self._local = threading.local()
        # Asking for the number of threads makes a new thread take up the one that the process has set; else
        # its first convolution starts a team of its own, as large as the machine.
        self._pool = ThreadPoolExecutor(workers, initializer=torch.get_num_threads)

    def __enter__(self) -> "EpisodeRunner":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(
        self, decisions: Mapping[str, Decision], episode: Callable[[int], Episode], kind: str, shots: int
    ) -> dict[str, list[Hits]]:
        """By decision, for each of ``evaluation.episodes``. Each decision draws from a generator of its own
        that begins alike, so that their mini-batches are the same where they draw nothing else.

        Raises :class:`WorkCancelled`.
        """
        seed = self._scenario.federation.seed

        def one(number: int) -> dict[str, Hits]:
            drawn = episode(number)
            hits = {}
            for name, decision in decisions.items():
                if self._cancelled():
                    raise WorkCancelled
                rng = generator(seed, "adaptation", kind, shots, number)
                log_p = decision.classify(self._scratch(), drawn, rng, self._cancelled)
                hits[name] = (log_p.argmax(dim=2) == drawn.query_labels).cpu().numpy()
            return hits

        episodes = list(self._pool.map(one, self._numbers))
        return {name: [hits[name] for hits in episodes] for name in decisions}

    def _scratch(self) -> FewShotNetwork:
        """This thread's copy of the network, as it was given."""
        if not hasattr(self._local, "network"):
            self._local.network = copy.deepcopy(self._network)
        scratch: FewShotNetwork = self._local.network
        with torch.no_grad():
            for own, value in zip(scratch.parameters(), self._values, strict=True):
                own.copy_(value)
        return scratch
