"""Images made from images."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


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
