"""What every network of a federation is: blocks that make features, and a head."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5  # F.batch_norm's


class BatchStatisticsNorm(nn.Module):
    """Batch normalisation on the batch's own statistics, without running averages (as Reptile trains it).

    With ``reference = n`` the statistics are those of the first n images alone, and the others are
    normalised by them. That is how a query image is classified without looking at other query images: the
    reference is the support set. With ``reference = None`` all images count, which is **transductive** when
    query images are among them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, images: Tensor, reference: int | None = None) -> Tensor:
        """[B, C, H, W] → [B, C, H, W]."""
        if reference is None:
            return F.batch_norm(images, None, None, self.weight, self.bias, training=True)
        # Not F.batch_norm, which lets no gradient through to given statistics; not torch.var_mean, which on
        # the CPU takes ten times as long as these two passes.
        known = images[:reference]
        mean = known.mean(dim=(0, 2, 3))
        variance = (known - mean[:, None, None]).square().mean(dim=(0, 2, 3))
        scale = self.weight * torch.rsqrt(variance + EPSILON)
        shift = self.bias - mean * scale
        return torch.addcmul(shift[:, None, None], images, scale[:, None, None])


class FewShotNetwork(nn.Module):
    """``blocks`` in sequence, then features flattened, then ``head``. Parameter names begin with
    ``blocks.<index>.`` or ``head.``; sharing depth (paper E7) counts the blocks."""

    def __init__(self, blocks: list[nn.Module], head: nn.Linear) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head = head

    def features(self, images: Tensor, reference: int | None = None) -> Tensor:
        """[B, C, H, W] → [B, F]; see :class:`BatchStatisticsNorm` for ``reference``."""
        for block in self.blocks:
            images = block(images, reference)
        return images.flatten(1)

    def forward(self, images: Tensor, reference: int | None = None) -> Tensor:
        """Logits [B, way]."""
        logits: Tensor = self.head(self.features(images, reference))
        return logits


def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Glorot-uniform convolutions and linear layers, zero biases, from ``generator`` alone (as in Reptile's
    published code, whose layers are TensorFlow's defaults)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, BatchStatisticsNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
