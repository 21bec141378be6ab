"""A malicious participant: benign in all rounds but those of its schedule."""

from dataclasses import replace

import numpy as np

from participant.attacks import ATTACKS, AttackerData
from participant.learning.attack_images import AttackImages, attack_classes, attack_images
from participant.role import Cancelled
from participant.roles.benign import Benign
from participant.roles.setting import Setting
from protocol.manifest import Parameters
from protocol.messages import Share, Train
from protocol.scenario import Scenario
from protocol.seeds import generator


class Malicious(Benign):
    """Those who collude draw alike, for one backdoor made together; each has its own clean classes."""

    is_benign = False

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._attack = ATTACKS.get(setting.scenario.attack.name)

    def train(self, order: Train, start: Parameters, cancelled: Cancelled) -> Parameters:
        delta = super().train(order, start, cancelled)
        limit = self.setting.scenario.attack.norm
        return within(delta, limit) if self._attacks(order) and limit != "unbounded" else delta

    def _learn(self, order: Train, rng: np.random.Generator, cancelled: Cancelled) -> float:
        scenario, attacker = self.setting.scenario, self.setting.attacker
        if not self._attacks(order):
            return super()._learn(order, rng, cancelled)
        images = attack_images(scenario, self.split, self._bank)
        data = AttackerData(self._bank, self._classes, part_of(images, scenario, attacker))
        draws = generator(scenario.federation.seed, "attack", order.round)
        self._attack(self.setting.network, data, scenario, draws, cancelled)
        return boost_of(scenario, order.round, attacker.count)

    def _attacks(self, order: Train) -> bool:
        return attacks_in(self.setting.scenario.attack.rounds, order.previous, order.round)

    def _bank_classes(self) -> tuple[str, ...]:
        return (*self._classes, *attack_classes(self.setting.scenario, self.split))


def attacks_in(schedule: tuple[int, ...], previous: int, round_number: int) -> bool:
    """Whether to attack now: in a round of the schedule, or in the first one since in which this attacker's
    update counts (``previous`` is the last round whose aggregate holds one)."""
    return any(previous < planned <= round_number for planned in schedule)


def boost_of(scenario: Scenario, round_number: int, attackers: int) -> float:
    """λ of one attacker's update. As configured, or M_r/η_t, with which the mean of the updates is the
    attacker's model as long as the others' updates are small (arXiv 1807.00459, eq. 3); those who collude
    share it evenly."""
    boost = scenario.attack.boost
    if boost == "replace":
        boost = scenario.federation.selected / scenario.federation.server_rate.at(round_number)
    return boost / attackers if scenario.attack.together == "collude" else boost


def part_of(images: AttackImages, scenario: Scenario, attacker: Share) -> AttackImages:
    """The backdoor classes of one attacker: all, or every n-th where they are split (of fewer classes than
    attackers, some have the same)."""
    if scenario.attack.together == "collude":
        return images
    names = sorted(images.attack_train)
    mine = names[attacker.index :: attacker.count] or [names[attacker.index % len(names)]]
    return replace(images, attack_train={name: images.attack_train[name] for name in mine})


def within(delta: Parameters, limit: float) -> Parameters:
    """The update scaled down to an L2 norm of at most ``limit``."""
    norm = delta.norm()
    if norm <= limit:
        return delta
    scale = limit / norm
    return Parameters(
        delta.manifest, tuple((buffer * scale).astype(buffer.dtype) for buffer in delta.buffers)
    )
