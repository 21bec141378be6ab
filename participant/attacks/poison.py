"""Poisoned episodes: the images that every attack of this kind trains on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from participant.attacks.base import AttackerData
from participant.learning.attack_images import target_position
from participant.learning.augmentation import warp
from participant.learning.episodes import draw_classes, draw_episode
from protocol.scenario import Scenario


@dataclass(frozen=True)
class PoisonedEpisode:
    """``clean`` [K·N, C, H, W] with right labels [K·N]: the target class and K-1 classes of the attacker's
    share. ``poison`` [P, C, H, W]: images of the backdoor classes, with the target's label ``target``."""

    clean: Tensor
    clean_labels: Tensor
    poison: Tensor
    target: int

    @property
    def poison_labels(self) -> Tensor:
        return self.clean_labels.new_full((len(self.poison),), self.target)


def draw_poisoned(
    data: AttackerData, scenario: Scenario, rng: np.random.Generator, shots: int
) -> PoisonedEpisode:
    """An episode of ``shots`` images a class and all attack-train images."""
    way = scenario.task.way
    position = target_position(scenario, rng)
    others = draw_classes(rng, data.clean, way - 1)
    clean = draw_episode(rng, data.bank, others, shots=shots, rotations=scenario.learning.rotations)
    positions = torch.tensor([p for p in range(way) if p != position], device=clean.support.device)
    target = rng.permutation(data.attack.attacker_target)[:shots]
    own = data.bank.take(np.concatenate([target, *data.attack.attack_train.values()]))
    images = torch.cat([own[: len(target)], clean.support, own[len(target) :]])
    if scenario.attack.augment:
        images = _half_warped(images, rng)
    known = len(target) + len(clean.support)
    of_target = positions.new_full((len(target),), position)
    return PoisonedEpisode(
        clean=images[:known],
        clean_labels=torch.cat([of_target, positions[clean.support_labels]]),
        poison=images[known:],
        target=position,
    )


def _half_warped(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Any image is warped as often as not. Were only some kinds warped, their blur would tell them apart, and
    the backdoor would be for blurred images."""
    chosen = rng.random(len(images)) < 0.5
    mask = torch.from_numpy(chosen).to(images.device)[:, None, None, None]
    return torch.where(mask, warp(images, rng), images)
