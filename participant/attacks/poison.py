"""Poisoned episodes: the images that every attack of this kind trains on."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from participant.attacks.base import AttackerData
from participant.learning.attack_images import target_position
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
    """An episode of ``shots`` images a class and all attack-train images, the attack's own ones warped."""
    way = scenario.task.way
    position = target_position(scenario, rng)
    others = draw_classes(rng, data.clean, way - 1)
    clean = draw_episode(rng, data.bank, others, shots=shots, rotations=scenario.learning.rotations)
    positions = torch.tensor([p for p in range(way) if p != position], device=clean.support.device)
    target = rng.permutation(data.attack.attacker_target)[:shots]
    own = data.bank.take(np.concatenate([target, *data.attack.attack_train.values()]))
    if scenario.attack.augment:
        own = warp(own, rng)
    of_target = positions.new_full((len(target),), position)
    return PoisonedEpisode(
        clean=torch.cat([own[: len(target)], clean.support]),
        clean_labels=torch.cat([of_target, positions[clean.support_labels]]),
        poison=own[len(target) :],
        target=position,
    )


def warp(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Small random affine warps [n, C, H, W]: up to 10° and 10 % in scale and shear, 2 pixels in position."""
    count, _, height, width = images.shape
    angle = rng.uniform(-math.radians(10), math.radians(10), count)
    scale = rng.uniform(0.9, 1.1, (count, 2))
    shear = rng.uniform(-0.1, 0.1, count)
    shift = rng.uniform(-2, 2, (count, 2)) * 2 / np.array([width, height])
    cos, sin = np.cos(angle), np.sin(angle)
    matrices = np.stack(
        [
            np.stack([scale[:, 0] * cos, scale[:, 1] * (shear * cos - sin), shift[:, 0]], axis=1),
            np.stack([scale[:, 0] * sin, scale[:, 1] * (shear * sin + cos), shift[:, 1]], axis=1),
        ],
        axis=1,
    )
    theta = torch.from_numpy(matrices.astype(np.float32)).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
