"""What an auditor and a participant that is asked to evaluate have in common: the images, and their use."""

from dataclasses import dataclass

from participant.learning.attack_images import attack_classes, attack_images
from participant.learning.evaluation import AuditData, check, measure
from participant.role import Cancelled
from participant.roles.setting import Setting
from protocol.messages import Evaluate, Measurement


@dataclass(frozen=True)
class Measuring:
    """The images of the test classes and of the attack, the same for everyone who measures."""

    setting: Setting
    data: AuditData

    @classmethod
    def of(cls, setting: Setting) -> "Measuring":
        """Raises :class:`protocol.errors.UsageProblem` when something that is to be measured is not there."""
        bank = setting.bank((*setting.split.test, *attack_classes(setting.scenario, setting.split)))
        attack = attack_images(setting.scenario, setting.split, bank)
        data = AuditData(bank, setting.split.test, attack)
        check(setting.scenario, data)
        return cls(setting, data)

    def measure(self, order: Evaluate, workers: int, cancelled: Cancelled) -> tuple[Measurement, ...]:
        """Of the setting's network as it is now, with ``workers`` threads. A participant's episodes go by its
        share of the classes, so that no two have the same."""
        scenario = self.setting.scenario
        index = order.share.index if order.share else 0
        return measure(
            self.setting.network,
            self.data,
            scenario,
            first=index * scenario.evaluation.episodes,
            workers=workers,
            cancelled=cancelled,
        )
