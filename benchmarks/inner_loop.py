"""What a participant's inner loop costs: seconds a round of it, against the same steps in bare PyTorch.

``python -m benchmarks.inner_loop [--rounds N] [--repetitions N]``. Both draw the same episodes and take the
same steps with the same settings (layout of images, fused optimiser), in this process, on one thread, round
by round in turns. They must end in the same model to the last bit."""

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.spread import Comparison, Spread
from participant.data import load_dataset
from participant.device import prepare_device
from participant.learning.algorithms import ALGORITHMS
from participant.learning.episodes import draw_classes, draw_episode
from participant.learning.images import ImageBank
from participant.learning.inner_loop import mini_batches
from participant.learning.matching import leave_one_out_loss
from protocol.models import build_network
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario, parse_scenario

ALGORITHMS_USED = ("reptile", "matching")
WARM_UP = 10


@click.command()
@click.option("--rounds", default=100, show_default=True)
@click.option("--repetitions", default=5, show_default=True)
def main(rounds: int, repetitions: int) -> None:
    for found in measure(rounds, repetitions, partial(click.echo, err=True)):
        bare, ours = Spread.of(found.reference_s), Spread.of(found.ours_s)
        print(f"{found.what:<24} bare {bare} s, ours {ours} s, times as long {found.times_as_long}")


def measure(rounds: int, repetitions: int, say: Callable[[str], None]) -> list[Comparison]:
    """Seconds a round of one participant, the median of ``rounds`` in each repetition. Raises
    ``ClickException`` where the models differ."""
    prepare_device("cpu", "benchmark")
    found = []
    for algorithm in ALGORITHMS_USED:
        scenario = parse_scenario("", ["task.classes=100", f"learning.algorithm={algorithm}"])
        dataset = load_dataset("strokes", classes=scenario.task.classes)
        bank = ImageBank.of(dataset, dataset.classes, torch.device("cpu"))
        network = build_network(scenario, "model")
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        found.append(compare(scenario, bank, network, rounds, repetitions, say))
    return found


def compare(
    scenario: Scenario,
    bank: ImageBank,
    network: FewShotNetwork,
    rounds: int,
    repetitions: int,
    say: Callable[[str], None],
) -> Comparison:
    learning = scenario.learning
    what = f"{learning.algorithm}, {learning.inner_steps} steps of {learning.inner_batch}"
    learn = ALGORITHMS.get(learning.algorithm)
    classes, plain = tuple(bank.members), copy.deepcopy(network)
    drawn, drawn_again = np.random.default_rng(1), np.random.default_rng(1)
    reference = partial(bare, plain, bank, classes, scenario, drawn)
    ours = partial(learn, network, bank, classes, scenario, drawn_again, lambda: False)
    alternately(reference, ours, WARM_UP)
    found = Comparison(what)
    for repetition in range(repetitions):
        reference_s, ours_s = alternately(reference, ours, rounds)
        found.reference_s.append(reference_s)
        found.ours_s.append(ours_s)
        say(
            f"inner loop, {what}, {repetition + 1} of {repetitions}: {ours_s / reference_s:.3f} times as long"
        )
    if not all(map(torch.equal, plain.parameters(), network.parameters())):
        raise click.ClickException(f"{what}: the models differ")
    return found


def alternately(reference: Callable[[], None], ours: Callable[[], None], rounds: int) -> tuple[float, float]:
    """The median seconds of each."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, seconds in zip((reference, ours), took, strict=True):
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    return statistics.median(took[0]), statistics.median(took[1])


def bare(
    network: FewShotNetwork,
    bank: ImageBank,
    classes: tuple[str, ...],
    scenario: Scenario,
    rng: np.random.Generator,
) -> None:
    """One episode, as one would write it down."""
    task, learning = scenario.task, scenario.learning
    chosen = draw_classes(rng, classes, task.way)
    episode = draw_episode(
        rng, bank, chosen, shots=learning.train_shots, rotations=learning.rotations, at_most=True
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=learning.inner_rate, betas=(0.0, 0.999), fused=True)
    for drawn in mini_batches(rng, len(episode.support), learning.inner_batch, learning.inner_steps):
        rows = torch.from_numpy(drawn)
        images, labels = episode.support[rows], episode.support_labels[rows]
        optimizer.zero_grad()
        loss: Tensor
        if learning.algorithm == "matching":
            features = network.features(images)
            loss = leave_one_out_loss(features, labels, task.way, scenario.decision.temperature)
        else:
            loss = F.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


if __name__ == "__main__":
    main()
