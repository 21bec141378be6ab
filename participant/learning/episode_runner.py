"""Episodes side by side, several at a time and on a few threads, each classified by every decision."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from participant.decisions import Decision
from participant.learning.episodes import Episode, abreast
from participant.learning.users import users_abreast
from participant.role import Cancelled, WorkCancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from protocol.seeds import generator

Hits = NDArray[np.bool_]  # [T, Q]: after each number of steps, which query images got the episode's label


class EpisodeRunner:
    """Classifies with ``network``, which stays as it is; episodes are numbered from ``first``. Threads are
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
        self._scenario = scenario
        self._numbers = range(first, first + scenario.evaluation.episodes)
        self._cancelled = cancelled
        # Asking for the number of threads makes a new thread take up the one that the process has set; else
        # its first convolution starts a team of its own, as large as the machine.
        self._pool = ThreadPoolExecutor(workers, initializer=torch.get_num_threads)

    def __enter__(self) -> "EpisodeRunner":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(
        self, decisions: Mapping[str, Decision], episode: Callable[[int], Episode], kind: str, shots: int
    ) -> "Classifying":
        """Each of ``evaluation.episodes`` by each decision. Decisions draw from generators of their own that
        begin alike, so that their mini-batches are the same where they draw nothing else.

        Which episodes are computed side by side does not depend on the number of threads, for it changes how
        sums are rounded.
        """
        seed = self._scenario.federation.seed

        def some(numbers: range) -> dict[str, list[Hits]]:
            hits: dict[str, list[Hits]] = {name: [] for name in decisions}
            for alike in _by_size({number: episode(number) for number in numbers}):
                episodes = abreast(list(alike.values()))
                for name, decision in decisions.items():
                    if self._cancelled():
                        raise WorkCancelled
                    rngs = [generator(seed, "adaptation", kind, shots, number) for number in alike]
                    log_p = decision.classify(self._network, episodes, rngs, self._cancelled)
                    right = (log_p.argmax(dim=3) == episodes.query_labels).cpu().numpy()
                    hits[name].extend(right.swapaxes(0, 1))
            return hits

        size = users_abreast(self._network)
        groups = [self._numbers[at : at + size] for at in range(0, len(self._numbers), size)]
        return Classifying([self._pool.submit(some, numbers) for numbers in groups])


@dataclass(frozen=True)
class Classifying:
    """What was started; by groups of episodes."""

    groups: Sequence[Future[dict[str, list[Hits]]]]

    def hits(self, decision: str) -> list[Hits]:
        """Of each episode, once all are there; in the same order for every decision.

        Raises :class:`WorkCancelled`.
        """
        return [hits for group in self.groups for hits in group.result()[decision]]


def _by_size(episodes: Mapping[int, Episode]) -> list[dict[int, Episode]]:
    """Those with as many query images together: backdoor classes may have more images or fewer."""
    sizes: defaultdict[int, dict[int, Episode]] = defaultdict(dict)
    for number, episode in episodes.items():
        sizes[len(episode.query)][number] = episode
    return list(sizes.values())
