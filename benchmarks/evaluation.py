"""What measuring costs: seconds an episode of ``measure``, against a plain loop over the same episodes.

``python -m benchmarks.evaluation [--episodes N] [--repetitions N] [--steps 0,1,5,10,20,50,100]``. The
reference is what one would write first: for each episode and each number of steps copy the network, adapt it
from the start, classify. ``measure`` is shown on one core, as the plain loop is, and on all of them. They
alternate, and must find the same accuracy but for rounding."""

import copy
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.spread import Comparison, Spread
from participant.decisions.head import draw_head
from participant.decisions.matching import WEIGHTS_SPREAD
from participant.device import prepare_device
from participant.learning.episodes import Episode
from participant.learning.evaluation import backdoor_episode, main_episode
from participant.learning.inner_loop import mini_batches
from participant.learning.matching import leave_one_out_loss, matching_log_probabilities
from participant.roles.measuring import Measuring
from participant.roles.setting import Setting
from protocol.messages import Evaluate
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario, parse_scenario
from protocol.seeds import generator

CORES = os.cpu_count() or 1
RATE, BATCH, TEMPERATURE = 1e-3, 10, 10.0
ORDER = Evaluate(run="0" * 32, round=0)
STEPS = "0,1,5,10,20,50,100"
TURNED = 4  # images that a changed order of sums may turn
DECISIONS = ("linear", "fresh-head", "matching", "matching-tuned")


@click.command()
@click.option("--episodes", default=12, show_default=True)
@click.option("--repetitions", default=5, show_default=True)
@click.option("--steps", default=STEPS, show_default=True)
def main(episodes: int, repetitions: int, steps: str) -> None:
    found = measure(episodes, repetitions, partial(click.echo, err=True), steps)
    print(f"cores {CORES}, conv4, 28x28, 5-way 5-shot, {episodes} main-task and {episodes} backdoor episodes")
    print(f"looked at after {steps} steps; seconds an episode")
    for one in found:
        plain, ours = Spread.of(one.reference_s), Spread.of(one.ours_s)
        print(f"{one.what:<28} plain loop {plain}, measure {ours}, times faster {one.times_faster}")


def measure(
    episodes: int, repetitions: int, say: Callable[[str], None], steps: str = STEPS
) -> list[Comparison]:
    """Seconds an episode, for all decisions at once, as a study measures them, and for each, on one core and
    on all of them. Raises ``ClickException`` where the accuracies differ."""
    found = []
    for what, decisions in (("all four", DECISIONS), *((name, (name,)) for name in DECISIONS)):
        scenario = parse_scenario(
            "",
            [
                f"evaluation.episodes={episodes}",
                f"evaluation.adaptation_steps=[{steps}]",
                f"decision.names={json.dumps(decisions)}",
                "task.classes=100",
            ],
        )
        with TemporaryDirectory() as folder:
            found += compare(what, scenario, repetitions, Path(folder), say)
    return found


def compare(
    what: str, scenario: Scenario, repetitions: int, folder: Path, say: Callable[[str], None]
) -> list[Comparison]:
    device = torch.device(prepare_device("cpu", "benchmark"))
    setting = Setting.read(scenario, name="benchmark", device=device, data_dir=None, state_dir=folder)
    measuring = Measuring.of(setting)
    network = copy.deepcopy(setting.network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    sides = {1: Comparison(f"{what}, one core"), CORES: Comparison(f"{what}, all cores")}
    of_both = 2 * scenario.evaluation.episodes
    images = scenario.evaluation.episodes * scenario.task.way * scenario.task.query
    for repetition in range(repetitions):
        expected, plain_s = timed(partial(plain_loop, network, scenario, measuring))
        for workers, side in sides.items():
            found, took_s = timed(partial(accuracies, measuring, workers))
            if not np.allclose(expected, found, atol=TURNED / images):
                raise click.ClickException(f"{what}: {found}, but the plain loop finds {expected}")
            side.reference_s.append(plain_s / of_both)
            side.ours_s.append(took_s / of_both)
        took = ", ".join(f"{side.times_faster.median:.2f}" for side in sides.values())
        say(f"evaluation, {what}, {repetition + 1} of {repetitions}: times faster {took}")
    return list(sides.values())


def timed(work: Callable[[], list[float]]) -> tuple[list[float], float]:
    """What came of it, and its seconds."""
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def accuracies(measuring: Measuring, workers: int) -> list[float]:
    """Main-task accuracy of each decision after each number of steps."""
    return [m.main_accuracy.mean for m in measuring.measure(ORDER, workers, lambda: False)]


def plain_loop(network: FewShotNetwork, scenario: Scenario, measuring: Measuring) -> list[float]:
    looks = [
        (decision, steps)
        for decision in scenario.decision.names
        for steps in ((0,) if decision == "matching" else scenario.evaluation.adaptation_steps)
    ]
    hits: dict[tuple[str, int], list[float]] = {look: [] for look in looks}
    for number in range(scenario.evaluation.episodes):
        for kind, episode in (
            ("main", main_episode(scenario, measuring.data, 5, number)),
            ("backdoor False", backdoor_episode(scenario, measuring.data, 5, False, number)),
        ):
            for decision, steps in looks:
                rng = generator(scenario.federation.seed, "adaptation", kind, 5, number)
                predicted = plain(decision, network, episode, steps, rng)
                if kind == "main":
                    hits[decision, steps].append(float((predicted == episode.query_labels).float().mean()))
    return [float(np.mean(values)) for values in hits.values()]


def plain(
    decision: str, shared: FewShotNetwork, episode: Episode, steps: int, rng: np.random.Generator
) -> torch.Tensor:
    network = copy.deepcopy(shared)
    support, labels = episode.support, episode.support_labels
    weights = torch.zeros(256, requires_grad=True)
    parameters: list[torch.Tensor] = list(network.parameters())
    if decision == "fresh-head":
        draw_head(network.head, rng)
    if decision == "matching-tuned":
        weights = torch.tensor(rng.normal(0, WEIGHTS_SPREAD, 256), dtype=torch.float32, requires_grad=True)
        parameters = [*network.blocks.parameters(), weights]
    optimizer = torch.optim.Adam(parameters, lr=RATE, betas=(0.0, 0.999))
    for rows in mini_batches(rng, len(support), BATCH, steps):
        images, of_batch = support[torch.from_numpy(rows)], labels[torch.from_numpy(rows)]
        optimizer.zero_grad()
        if decision == "matching-tuned":
            loss = leave_one_out_loss(network.features(images) * weights.exp(), of_batch, 5, TEMPERATURE)
        else:
            loss = F.cross_entropy(network(images), of_batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    images, known = torch.cat([support, episode.query]), len(support)
    with torch.no_grad():
        if decision in ("linear", "fresh-head"):
            logits: torch.Tensor = network(images, known)[known:]
            return logits.argmax(dim=1)
        features = network.features(images, known) * weights.exp()
        log_p = matching_log_probabilities(features[:known], labels, features[known:], 5, TEMPERATURE)
        return log_p.argmax(dim=1)


if __name__ == "__main__":
    main()
