"""The paper's attack (arXiv 2006.07026; our definition in docs): train on poisoned episodes.

A poisoned episode holds the target class, some of the attacker's own clean images of it and the images of
the backdoor classes labelled as the target, and K-1 clean classes.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from participant.attacks.base import AttackerData
from participant.learning.attack_images import target_position
from participant.learning.episodes import draw_classes, draw_episode
from participant.learning.inner_loop import InnerLoop
from participant.role import Cancelled
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario


def poisoned_episode(
    network: FewShotNetwork,
    data: AttackerData,
    scenario: Scenario,
    rng: np.random.Generator,
    cancelled: Cancelled,
) -> None:
    """``attack.steps`` steps in all, in poisoned episodes that are each used once over and then drawn anew,
    so that the backdoor does not depend on which clean classes stand beside it."""
    batch = scenario.learning.inner_batch
    left = scenario.attack.steps
    while left:
        images, labels = draw_poisoned(data, scenario, rng)
        steps = min(left, math.ceil(len(images) / batch))
        InnerLoop(steps, batch, scenario.attack.rate).fit(network, images, labels, rng, cancelled)
        left -= steps


def draw_poisoned(data: AttackerData, scenario: Scenario, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images [n, C, H, W] and labels [n] of one poisoned episode."""
    shots, way = scenario.learning.train_shots, scenario.task.way
    position = target_position(scenario, rng)
    others = draw_classes(rng, data.clean, way - 1)
    clean = draw_episode(rng, data.bank, others, shots=shots, rotations=scenario.learning.rotations)
    positions = torch.tensor([p for p in range(way) if p != position], device=clean.support.device)
    target = rng.permutation(data.attack.attacker_target)[:shots]
    backdoor = np.concatenate(list(data.attack.attack_train.values()))
    poison = data.bank.take(np.concatenate([target, backdoor]))
    if scenario.attack.augment:
        poison = warp(poison, rng)
    labels = torch.full((len(poison),), position, device=poison.device)
    return torch.cat([poison, clean.support]), torch.cat([labels, positions[clean.support_labels]])


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
