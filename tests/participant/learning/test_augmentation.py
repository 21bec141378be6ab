import numpy as np
import torch

from participant.learning.augmentation import warp
from tests.participant.tiny import tiny_bank


def test_warps_are_small_and_differ_by_image() -> None:
    images = tiny_bank().take(np.arange(4)).clone()
    images[:] = images[0]
    warped = warp(images, np.random.default_rng(0))
    assert warped.shape == images.shape
    assert not torch.equal(warped[0], warped[1])
    assert (warped - images).abs().mean() < 0.25
