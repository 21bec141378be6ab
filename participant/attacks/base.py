"""What an attack is given and what it must do."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from participant.learning.attack_images import AttackImages
from participant.learning.images import ImageBank
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario


@dataclass(frozen=True)
class AttackerData:
    """``clean``: the attacker's share of the training classes; ``bank`` also holds the attack's images."""

    bank: ImageBank
    clean: tuple[str, ...]
    attack: AttackImages


class Attack(Protocol):
    """Train ``network``, which holds θ_t, to θ_A in place. The boost is applied by the caller.

    Raises :class:`participant.role.WorkCancelled`.
    """

    def __call__(
        self,
        network: FewShotNetwork,
        data: AttackerData,
        scenario: Scenario,
        rng: np.random.Generator,
        cancelled: Cancelled,
    ) -> None: ...
