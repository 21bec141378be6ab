"""A benign participant: one round of federated meta-training; what the model does for it, if it is asked."""

from typing import ClassVar

import numpy as np

from participant.learning.algorithms import ALGORITHMS
from participant.learning.attack_images import attack_classes, attack_images, require_held
from participant.learning.images import ImageBank
from participant.learning.private_state import PrivateState
from participant.role import Cancelled, Role
from participant.roles.measuring import Measuring
from participant.roles.setting import Setting
from protocol.manifest import Parameters
from protocol.messages import Evaluate, Measurement, Share, Train
from protocol.models import read_parameters, write_parameters
from protocol.seeds import generator


class Benign(Role):
    is_benign: ClassVar[bool] = True

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.manifest = setting.manifest
        self.split = setting.split
        self._private = PrivateState(setting.network, setting.manifest, setting.state_dir)
        self._algorithm = ALGORITHMS.get(setting.scenario.learning.algorithm)
        self._holds_backdoor = self.is_benign and setting.scenario.attack.benign_hold_backdoor
        if self._holds_backdoor:
            held_beside(setting.bank(self.split.train[:1]), setting)  # lacking images, say so now
        by_participants = setting.scenario.evaluation.by == "participants"
        self._measuring = Measuring.of(setting) if by_participants else None
        self._share: Share | None = None
        self._bank: ImageBank
        self._classes: tuple[str, ...]

    def train(self, order: Train, start: Parameters, cancelled: Cancelled) -> Parameters:
        if order.share != self._share:
            self._take_share(order.share)
        self._private.restore(order.previous, order.keep_from)
        write_parameters(self.setting.network, start)
        seed, name = self.setting.scenario.federation.seed, self.setting.name
        rng = generator(seed, "round", order.round, name)
        boost = self._learn(order, rng, cancelled)
        self._private.keep(order.round, self.setting.scenario.federation.server_rate.at(order.round))
        return difference(read_parameters(self.setting.network, self.manifest), start, boost)

    def evaluate(self, order: Evaluate, model: Parameters, cancelled: Cancelled) -> tuple[Measurement, ...]:
        """With its own private part, as after ``order.previous``; each round puts back what it starts from,
        so that training goes on as if nobody had asked."""
        if self._measuring is None:
            self._measuring = Measuring.of(self.setting)
        self._private.restore(order.previous, keep_from=0)
        write_parameters(self.setting.network, model)
        # Several participants of a machine measure at once.
        return self._measuring.measure(order, workers=1, cancelled=cancelled)

    def _bank_classes(self) -> tuple[str, ...]:
        """The classes of which this participant holds images."""
        return self._classes

    def _learn(self, order: Train, rng: np.random.Generator, cancelled: Cancelled) -> float:
        """Train the network in place; returns the factor by which the difference is submitted."""
        self._algorithm(
            self.setting.network, self._bank, self._classes, self.setting.scenario, rng, cancelled
        )
        return 1.0

    def _take_share(self, share: Share) -> None:
        self._classes = self.setting.share(share)
        self._bank = self.setting.bank(self._bank_classes())
        if self._holds_backdoor:
            self._bank = held_beside(self._bank, self.setting)
            self._classes = tuple(self._bank.members)
        self._share = share


def held_beside(bank: ImageBank, setting: Setting) -> ImageBank:
    """The bank with each backdoor class in use beside the others, one of them in every episode, by those of
    its images that the attacker does not have and that nobody is asked to classify. Raises
    :class:`UsageProblem` when there are none."""
    scenario = setting.scenario
    everything = setting.bank((*bank.members, *attack_classes(scenario, setting.split)))
    attack = attack_images(scenario, setting.split, everything)
    require_held(scenario, attack, 1, "attack.benign_hold_backdoor")
    own = {name: everything.members[name] for name in bank.members}
    return ImageBank(everything.images, {**own, **attack.held}, held=tuple(sorted(attack.held)))


def difference(end: Parameters, start: Parameters, factor: float) -> Parameters:
    """factor · (end − start), buffer by buffer, in the buffers' own precision."""
    return Parameters(
        start.manifest,
        tuple(
            ((b - a) * np.asarray(factor, dtype=a.dtype)).astype(a.dtype, copy=False)
            for a, b in zip(start.buffers, end.buffers, strict=True)
        ),
    )
