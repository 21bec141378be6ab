"""Meta-training algorithms by name: what a benign participant does with θ_t in a round."""

from typing import Protocol

import numpy as np
from torch import Tensor

from participant.learning.episodes import Episode, draw_classes, draw_episode, place
from participant.learning.images import ImageBank
from participant.learning.inner_loop import InnerLoop
from participant.learning.matching import leave_one_out_loss
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork
from protocol.registry import Registry
from protocol.scenario import Scenario


class Algorithm(Protocol):
    """Train ``network``, which holds θ_t, to θ_i in place, on episodes of ``classes``.

    Raises :class:`participant.role.WorkCancelled`.
    """

    def __call__(
        self,
        network: FewShotNetwork,
        bank: ImageBank,
        classes: tuple[str, ...],
        scenario: Scenario,
        rng: np.random.Generator,
        cancelled: Cancelled,
    ) -> None: ...


ALGORITHMS: Registry[Algorithm] = Registry("algorithm", "learning.algorithm")


@ALGORITHMS.register("reptile")
def reptile(
    network: FewShotNetwork,
    bank: ImageBank,
    classes: tuple[str, ...],
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> None:
    """Reptile (arXiv 1803.02999, Algorithm 1) on these classes.

    Each of ``learning.episodes`` draws a K-way episode of ``train_shots`` images a class (all of a class that
    has fewer) and takes ``inner_steps`` steps of Adam on it, starting from where the last one ended; the
    optimiser's state is fresh in each. Mini-batches are normalised by their own statistics, which in training
    is transductive by nature: the loss of an image depends on the others of its batch.
    """
    learning = scenario.learning
    loop = InnerLoop(learning.inner_steps, learning.inner_batch, learning.inner_rate)
    for _ in range(learning.episodes):
        episode = _episode(bank, classes, scenario, rng)
        loop.fit(network, episode.support, episode.support_labels, rng, cancelled)


@ALGORITHMS.register("matching")
def matching(
    network: FewShotNetwork,
    bank: ImageBank,
    classes: tuple[str, ...],
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> None:
    """Meta-training with the decision logic of matching users (Vinyals et al., arXiv 1606.04080): features
    alone are trained, so that no head ever exists that could be poisoned.

    As :func:`reptile`, but each mini-batch of an episode is its own support set, each image classified by
    all the others; ``inner_batch`` should hold several images a class.
    """
    learning, way, temperature = scenario.learning, scenario.task.way, scenario.decision.temperature
    loop = InnerLoop(learning.inner_steps, learning.inner_batch, learning.inner_rate)
    for _ in range(learning.episodes):
        episode = _episode(bank, classes, scenario, rng)
        images, labels = episode.support, episode.support_labels

        def loss(rows: Tensor, images: Tensor = images, labels: Tensor = labels) -> Tensor:
            return leave_one_out_loss(network.features(images[rows]), labels[rows], way, temperature)

        loop.run(network, loss, len(images), rng, cancelled)


def _episode(
    bank: ImageBank, classes: tuple[str, ...], scenario: Scenario, rng: np.random.Generator
) -> Episode:
    """Of ``way`` classes drawn from ``classes``, one of them a class that the bank says is held."""
    learning = scenario.learning
    others = [name for name in classes if name not in bank.held]
    chosen = draw_classes(rng, others, scenario.task.way - bool(bank.held))
    if bank.held:
        one = bank.held[int(rng.integers(len(bank.held)))]
        chosen = place(one, int(rng.integers(scenario.task.way)), chosen)
    return draw_episode(
        rng,
        bank,
        chosen,
        shots=learning.train_shots,
        rotations=learning.rotations,
        upright=bank.held,
        at_most=True,
    )
