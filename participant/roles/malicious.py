"""A malicious participant: benign in all rounds but those of its schedule."""

import numpy as np

from participant.attacks import ATTACKS, AttackerData
from participant.learning.attack_images import attack_classes, attack_images
from participant.role import Cancelled
from participant.roles.benign import Benign
from participant.roles.setting import Setting
from protocol.messages import Train
from protocol.scenario import Scenario


class Malicious(Benign):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._attack = ATTACKS.get(setting.scenario.attack.name)

    def _learn(self, order: Train, rng: np.random.Generator, cancelled: Cancelled) -> float:
        scenario = self.setting.scenario
        if not attacks_in(scenario.attack.rounds, order.previous, order.round):
            return super()._learn(order, rng, cancelled)
        data = AttackerData(self._bank, self._classes, attack_images(scenario, self.split, self._bank))
        self._attack(self.setting.network, data, scenario, rng, cancelled)
        return boost_of(scenario, order.round)

    def _bank_classes(self) -> tuple[str, ...]:
        return (*self._classes, *attack_classes(self.setting.scenario, self.split))


def attacks_in(schedule: tuple[int, ...], previous: int, round_number: int) -> bool:
    """Whether to attack now: in a round of the schedule, or in the first one since in which this attacker's
    update counts (``previous`` is the last round whose aggregate holds one)."""
    return any(previous < planned <= round_number for planned in schedule)


def boost_of(scenario: Scenario, round_number: int) -> float:
    """λ: as configured, or M_r/η_t, with which the mean of the updates is the attacker's model as long as
    the others' updates are small (arXiv 1807.00459, eq. 3)."""
    boost = scenario.attack.boost
    if boost == "replace":
        return scenario.federation.selected / scenario.federation.server_rate.at(round_number)
    return boost
