"""What every role needs: the scenario, its data and their class split, a network on the device."""

from dataclasses import dataclass
from pathlib import Path

import torch

from participant.data import Dataset, load_dataset
from participant.learning.images import ImageBank
from participant.role import ALONE
from protocol.manifest import Manifest
from protocol.messages import Share
from protocol.models import build_network, image_shape, manifest_of
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from protocol.split import ClassSplit, share_of, split_classes


@dataclass(frozen=True)
class Setting:
    """``network`` holds the participant's own first private parameters, drawn for its name; the shared ones
    are overwritten by every order. ``attacker``: which of how many that attack together (malicious only)."""

    scenario: Scenario
    name: str
    device: torch.device
    state_dir: Path
    dataset: Dataset
    split: ClassSplit
    network: FewShotNetwork
    manifest: Manifest
    attacker: Share = ALONE

    @classmethod
    def read(
        cls,
        scenario: Scenario,
        *,
        name: str,
        device: torch.device,
        data_dir: Path | None,
        state_dir: Path,
        attacker: Share = ALONE,
    ) -> "Setting":
        """Reads the data and builds the network. Raises :class:`protocol.errors.UsageProblem`."""
        task = scenario.task
        channels, size = image_shape(scenario)
        dataset = load_dataset(
            task.dataset, data_dir, classes=task.classes, image_size=size, channels=channels
        )
        split = split_classes(dataset.classes, task.split, scenario.federation.seed, dataset.groups)
        # On the CPU a step takes 15 to 50 % longer with images' channels first.
        layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
        network = build_network(scenario, "private", name).to(device)
        network.to(memory_format=layout)  # type: ignore[call-overload]
        return cls(
            scenario=scenario,
            name=name,
            device=device,
            state_dir=state_dir,
            dataset=dataset,
            split=split,
            network=network,
            manifest=manifest_of(network, scenario.model.shared),
            attacker=attacker,
        )

    def bank(self, classes: tuple[str, ...]) -> ImageBank:
        return ImageBank.of(self.dataset, classes, self.device)

    def share(self, share: Share) -> tuple[str, ...]:
        return share_of(self.split.train, share.index, share.count)
