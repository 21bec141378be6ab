"""What would make every participant fail, found before any process is started."""

from pathlib import Path
from tempfile import TemporaryDirectory

from protocol.scenario import Scenario


def check_scenario(scenario: Scenario, data_dir: Path | None, device: str) -> None:
    """Raises :class:`protocol.errors.UsageProblem` for a name that is not there, for data that are missing,
    broken or too few, and for a device that this machine lacks."""
    from coordinator.aggregation import AGGREGATIONS
    from participant.attacks import ATTACKS
    from participant.decisions import DECISIONS
    from participant.device import choose_device
    from participant.learning.algorithms import ALGORITHMS
    from participant.roles.setting import Setting

    for decision in scenario.decision.names:
        DECISIONS.get(decision)
    ATTACKS.get(scenario.attack.name)
    ALGORITHMS.get(scenario.learning.algorithm)
    AGGREGATIONS.get(scenario.federation.aggregation)
    chosen = choose_device(device, "")
    with TemporaryDirectory() as folder:
        Setting.read(scenario, name="check", device=chosen, data_dir=data_dir, state_dir=Path(folder))
