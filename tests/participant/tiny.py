"""A small data set and scenario that every test of learning uses: seconds, not minutes."""

from pathlib import Path

import numpy as np
import torch

from participant.data import Dataset
from participant.learning.images import ImageBank
from participant.role import ALONE
from participant.roles.setting import Setting
from protocol.manifest import Parameters
from protocol.messages import Share, Train
from protocol.models import build_network, manifest_of, read_parameters
from protocol.scenario import Scenario, parse_scenario
from protocol.split import split_classes

CPU = torch.device("cpu")
SCENARIO = """
[federation]
rounds = 10
[federation.server_rate]
decay_rounds = 4
[task]
classes = 30
way = 3
shots = [2]
[task.split]
test = 6
validation = 3
backdoor = 2
target = 1
[learning]
train_shots = 4
[attack]
rounds = [5]
steps = 12
[evaluation]
episodes = 4
adaptation_steps = 3
"""


def never() -> bool:
    return False


def tiny_scenario(*overrides: str) -> Scenario:
    return parse_scenario(SCENARIO, overrides)


def tiny_dataset(classes: int = 30, drawings: int = 20) -> Dataset:
    """Each class is a blob at a place of its own, with noise: easily learnt, quickly made."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 60, (classes * drawings, 1, 28, 28), dtype=np.uint8)
    for number in range(classes):
        row, column = divmod(number, 6)
        own = images[number * drawings : (number + 1) * drawings]
        own[:, :, 2 + row * 4 : 7 + row * 4, 2 + column * 4 : 6 + column * 4] += 150
    names = tuple(f"class{number:02d}" for number in range(classes))
    return Dataset("tiny", names, images, np.arange(classes + 1, dtype=np.int64) * drawings)


def tiny_bank(dataset: Dataset | None = None) -> ImageBank:
    dataset = dataset or tiny_dataset()
    return ImageBank.of(dataset, dataset.classes, CPU)


def tiny_setting(tmp_path: Path, *overrides: str, name: str = "alice", attacker: Share = ALONE) -> Setting:
    scenario, dataset = tiny_scenario(*overrides), tiny_dataset()
    network = build_network(scenario, "private", name)
    return Setting(
        scenario=scenario,
        name=name,
        device=CPU,
        state_dir=tmp_path / name,
        dataset=dataset,
        split=split_classes(dataset.classes, scenario.task.split, scenario.federation.seed),
        network=network,
        manifest=manifest_of(network, scenario.model.shared),
        attacker=attacker,
    )


def theta(setting: Setting) -> Parameters:
    return read_parameters(build_network(setting.scenario, "model"), setting.manifest)


def order(round_number: int, *, previous: int = 0, keep_from: int = 0, index: int = 0) -> Train:
    return Train(
        run="0" * 32,
        round=round_number,
        share=Share(index=index, count=2),
        previous=previous,
        keep_from=keep_from,
    )
