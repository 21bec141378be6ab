"""What the auditor measures: main-task and backdoor accuracy of one model, by episode and decision.

Every decision and every round sees the same episodes, so that differences are paired.
"""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from participant.decisions import DECISIONS, Adaptation, Decision
from participant.learning.attack_images import AttackImages, require_held, target_position
from participant.learning.episodes import (
    Episode,
    draw_classes,
    draw_episode,
    place,
    require_images,
)
from participant.learning.images import ImageBank
from participant.learning.inner_loop import InnerLoop
from participant.role import Cancelled, WorkCancelled
from protocol.messages import BackdoorAccuracy, Interval, Measurement
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from protocol.seeds import generator


@dataclass(frozen=True)
class AuditData:
    """``test``: classes that nobody trains on; ``attack``: images that are the attacker's or the users'."""

    bank: ImageBank
    test: tuple[str, ...]
    attack: AttackImages


def check_images(scenario: Scenario, data: AuditData) -> None:
    """Raises :class:`UsageProblem` when an episode that :func:`measure` may draw would lack images."""
    shots = max(scenario.task.shots)
    for name in data.test:
        require_images(len(data.bank.members[name]), shots + scenario.task.query, name)
    require_images(len(data.attack.user_target), shots, data.attack.target)
    if True in scenario.evaluation.backdoor_in_support:
        require_held(scenario, data.attack, shots, f"{shots}-shot evaluation.backdoor_in_support")


def main_episode(scenario: Scenario, data: AuditData, shots: int, number: int) -> Episode:
    """The ``number``-th main-task episode."""
    rng = generator(scenario.federation.seed, "main task", shots, number)
    classes = draw_classes(rng, data.test, scenario.task.way)
    return draw_episode(rng, data.bank, classes, shots=shots, query=scenario.task.query)


def backdoor_episode(
    scenario: Scenario, data: AuditData, shots: int, in_support: bool, number: int
) -> Episode:
    """The ``number``-th backdoor episode, a benign user's task with the target class in it; the backdoor
    classes take turns. The query set is the backdoor class's attack-train images, ``attack.images`` of them,
    then all its attack-validation ones, all labelled with the target's position. With ``in_support`` the
    backdoor class is one of the other K-1, under its right label, by images that are held and neither the
    attacker's nor classified."""
    rng = generator(scenario.federation.seed, "backdoor", shots, int(in_support), number)
    names = sorted(data.attack.attack_train)
    backdoor = names[number % len(names)]
    position = target_position(scenario, rng)
    others = draw_classes(rng, data.test, scenario.task.way - 1)
    if in_support:
        others[int(rng.integers(len(others)))] = backdoor
    own = {data.attack.target: data.attack.user_target, backdoor: data.attack.held[backdoor]}
    users = ImageBank(data.bank.images, {**data.bank.members, **own})
    support = draw_episode(rng, users, place(data.attack.target, position, others), shots=shots)
    query = data.bank.take(
        np.concatenate([data.attack.attack_train[backdoor], data.attack.attack_validation[backdoor]])
    )
    labels = support.support_labels.new_full((len(query),), position)
    return Episode(support.support, support.support_labels, query, labels)


def measure(
    network: FewShotNetwork, data: AuditData, scenario: Scenario, *, workers: int, cancelled: Cancelled
) -> tuple[Measurement, ...]:
    """One measurement per decision, shot and case of ``evaluation.backdoor_in_support``.

    ``workers`` threads take episodes in turn, each with its own copy of the network; the result does not
    depend on their number. Raises :class:`WorkCancelled`.
    """
    evaluation = scenario.evaluation
    measurements = []
    with _EpisodeRunner(network, scenario, workers, cancelled) as runner:
        for shots in scenario.task.shots:
            for name in scenario.decision.names:
                decision = DECISIONS.get(name)(adaptation(scenario, shots))
                hits = runner.run(decision, partial(main_episode, scenario, data, shots), "main", shots)
                main = interval([float(hit.mean()) for hit in hits])
                for in_support in evaluation.backdoor_in_support:
                    measurements.append(
                        Measurement(
                            decision=name,
                            shot=shots,
                            adaptation_steps=decision.steps,
                            backdoor_in_support=in_support,
                            transductive=evaluation.transductive,
                            main_accuracy=main,
                            backdoor_accuracy=_backdoor(runner, decision, data, scenario, shots, in_support),
                        )
                    )
    return tuple(measurements)


def adaptation(scenario: Scenario, shots: int) -> Adaptation:
    """A user's: batches of 5 in 1-shot and 10 otherwise, as in Reptile's published settings."""
    evaluation = scenario.evaluation
    loop = InnerLoop(evaluation.adaptation_steps[-1], 5 if shots == 1 else 10, evaluation.adaptation_rate)
    return Adaptation(loop, scenario.decision.temperature, evaluation.transductive)


def interval(values: list[float]) -> Interval:
    """Mean and half-width of the normal 95 % interval over episodes."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Interval(
        mean=min(1.0, max(0.0, float(np.mean(values)))),
        ci95=1.96 * spread / len(values) ** 0.5,
        episodes=len(values),
    )


def _backdoor(
    runner: "_EpisodeRunner",
    decision: Decision,
    data: AuditData,
    scenario: Scenario,
    shots: int,
    in_support: bool,
) -> BackdoorAccuracy:
    train = scenario.attack.images
    episode = partial(backdoor_episode, scenario, data, shots, in_support)
    hits = runner.run(decision, episode, f"backdoor {in_support}", shots)
    return BackdoorAccuracy(
        attack_train=interval([float(hit[:train].mean()) for hit in hits]),
        attack_validation=interval([float(hit[train:].mean()) for hit in hits]),
    )


class _EpisodeRunner:
    """Classifies episodes on a few threads; torch leaves the interpreter's lock while it computes."""

    def __init__(
        self, network: FewShotNetwork, scenario: Scenario, workers: int, cancelled: Cancelled
    ) -> None:
        self._network = network
        self._values = {name: value.detach().clone() for name, value in network.named_parameters()}
        self._scenario = scenario
        self._cancelled = cancelled
        self._local = threading.local()
        # Asking for the number of threads makes a new thread take up the one that the process has set; else
        # its first convolution starts a team of its own, as large as the machine.
        self._pool = ThreadPoolExecutor(workers, initializer=torch.get_num_threads)

    def __enter__(self) -> "_EpisodeRunner":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(
        self, decision: Decision, episode: Callable[[int], Episode], kind: str, shots: int
    ) -> list[np.ndarray]:
        """For each episode, which query images got the episode's label: bool [Q]."""

        def one(number: int) -> np.ndarray:
            if self._cancelled():
                raise WorkCancelled
            drawn = episode(number)
            rng = generator(self._scenario.federation.seed, "adaptation", kind, shots, number)
            predicted = decision.classify(self._scratch(), drawn, rng, self._cancelled).argmax(dim=1)
            hits: Tensor = predicted == drawn.query_labels
            return hits.cpu().numpy()

        return list(self._pool.map(one, range(self._scenario.evaluation.episodes)))

    def _scratch(self) -> FewShotNetwork:
        if not hasattr(self._local, "network"):
            self._local.network = copy.deepcopy(self._network)
        scratch: FewShotNetwork = self._local.network
        scratch.load_state_dict(self._values)
        return scratch
