"""What would make every participant fail, found before any process is started."""

from pathlib import Path

from participant.interrupts import held_back
from protocol.scenario import Scenario
from protocol.split import TooFewClasses, classes_needed


def check_scenario(scenario: Scenario, data_dir: Path | None, device: str) -> None:
    """Raises :class:`protocol.errors.UsageProblem` for a name that is not there, for data that are missing,
    broken or too few for the episodes, and for a device that this machine lacks."""
    with held_back():
        import torch

        from coordinator.aggregation import AGGREGATIONS
        from participant.attacks import ATTACKS
        from participant.decisions import DECISIONS
        from participant.device import choose_device
        from participant.learning.algorithms import ALGORITHMS
        from participant.learning.episodes import require_images
        from participant.roles.auditor import Auditor
        from participant.roles.setting import Setting
        from protocol.encodings import ENCODINGS

    for decision in scenario.decision.names:
        DECISIONS.get(decision)
    ATTACKS.get(scenario.attack.name)
    ALGORITHMS.get(scenario.learning.algorithm)
    AGGREGATIONS.get(scenario.federation.aggregation)
    ENCODINGS.get(scenario.federation.encoding)
    choose_device(device, "")
    # On the CPU: this process outlives the check, and would keep the device's memory.
    here = torch.device("cpu")
    participants, way = scenario.federation.participants, scenario.task.way
    _, needed = classes_needed(scenario.task.split, participants, way)
    try:
        setting = Setting.read(scenario, name="check", device=here, data_dir=data_dir, state_dir=Path())
    except TooFewClasses as error:
        raise TooFewClasses(f"{error}; {needed}") from error
    train = setting.split.train
    if len(train) < participants * way:
        raise TooFewClasses(f"the data set leaves {len(train)} classes to train on; {needed}")
    for name in train:
        require_images(len(setting.dataset.of(name)), scenario.learning.train_shots, name)
    Auditor(setting)
