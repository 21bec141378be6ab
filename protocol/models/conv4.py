"""The two networks of Reptile (arXiv 1803.02999, section 6): four blocks of 3x3 convolutions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from protocol.models.network import BatchStatisticsNorm, FewShotNetwork, draw_weights


class ConvBlock(nn.Module):
    """conv 3x3 → batch norm on batch statistics → [max-pool 2, ceil] → ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, pool: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm = BatchStatisticsNorm(outputs)
        self.pool = pool

    def forward(self, images: Tensor, reference: int | None = None) -> Tensor:
        images = self.norm(self.conv(images), reference)
        if self.pool:
            images = F.max_pool2d(images, 2, ceil_mode=True)
        return F.relu(images, inplace=True)


def conv4(*, way: int, channels: int, generator: torch.Generator) -> FewShotNetwork:
    """Omniglot's: 28x28, 4 x [conv 3x3, 64, stride 2], 256 features; 113,221 parameters for 5 ways."""
    blocks: list[nn.Module] = [
        ConvBlock(channels if index == 0 else 64, 64, stride=2, pool=False) for index in range(4)
    ]
    network = FewShotNetwork(blocks, nn.Linear(256, way))
    draw_weights(network, generator)
    return network


def conv4_pool(*, way: int, channels: int, generator: torch.Generator) -> FewShotNetwork:
    """mini-ImageNet's: 84x84, 4 x [conv 3x3, 32 → max-pool 2 (ceil)], 6x6x32 = 1152 features."""
    blocks: list[nn.Module] = [
        ConvBlock(channels if index == 0 else 32, 32, stride=1, pool=True) for index in range(4)
    ]
    network = FewShotNetwork(blocks, nn.Linear(1152, way))
    draw_weights(network, generator)
    return network
