"""The auditor: measures models on classes and images that nobody trained on; never trains."""

import os
import sys

from participant.role import Cancelled, Role
from participant.roles.measuring import Measuring
from participant.roles.setting import Setting
from protocol.errors import RunFailed
from protocol.manifest import Parameters
from protocol.messages import Evaluate, Measurement, Train
from protocol.models import write_parameters


class Auditor(Role):
    """What is not shared of the model is the auditor's own first draw, untrained."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.manifest = setting.manifest
        self.split = setting.split
        self._measuring = Measuring.of(setting)  # what it lacks, it says now, not hours later
        # Episodes run side by side on a CPU; on an accelerator one stream is already its whole width.
        self._workers = _cores() if setting.device.type == "cpu" else 1

    def train(self, order: Train, start: Parameters, cancelled: Cancelled) -> Parameters:
        raise RunFailed(f"{self.setting.name} was asked to train round {order.round}, but is an auditor")

    def evaluate(self, order: Evaluate, model: Parameters, cancelled: Cancelled) -> tuple[Measurement, ...]:
        write_parameters(self.setting.network, model)
        return self._measuring.measure(order, self._workers, cancelled)


def _cores() -> int:
    """The cores that this process may use, which in a container are fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
