"""Several users' networks that adapt side by side, as one."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from protocol.models.conv4 import ConvBlock
from protocol.models.network import FewShotNetwork

ABREAST = 4


def users_abreast(network: FewShotNetwork) -> int:
    """How many users' networks are worth being one.

    Four of the small one take a quarter less time a step than one after the other: a step of one of them is
    many small operations. Blocks that pool have images of 84x84, of which two users' do not fit the cache:
    they took a tenth more. Of blocks that are not known here, who knows what they do across channels.
    """
    small = _is_known(network) and not any(block.pool for block in network.blocks)
    return ABREAST if small else 1


class Users(nn.Module):
    """Networks that all begin as ``network``, which stays as it is.

    ``each`` are the networks, to look at. The parameters of this module are the same memory, to train: the
    users' channels side by side, convolutions in groups. Only what is known here can be so; of any other
    network there is one user, and it does what it does itself.
    """

    def __init__(self, network: FewShotNetwork, count: int) -> None:
        super().__init__()
        each = tuple(copy.deepcopy(network) for _ in range(count))
        self.each = each  # a tuple, that its parameters are not taken for this module's own
        self.alone: FewShotNetwork | None = None
        if not _is_known(network):
            (self.alone,) = each
            return
        self.blocks = each[0].blocks if count == 1 else _side_by_side([own.blocks for own in each])
        self.head_weight = _joined([own.head.weight for own in each])
        self.head_bias = _joined([own.head.bias for own in each])

    def features(self, images: Tensor) -> Tensor:
        """[E, B, C, H, W] → [E, B, F]; each user's are normalised by their own statistics."""
        if self.alone is not None:
            return self.alone.features(images[0])[None]
        images = images.transpose(0, 1).flatten(1, 2)
        for block in self.blocks:
            images = block(images)
        return images.reshape(len(images), len(self.each), -1).transpose(0, 1)

    def logits(self, features: Tensor) -> Tensor:
        """[E, B, F] → [E, B, way], each user's by their own head."""
        if self.alone is not None:
            own: Tensor = self.alone.head(features[0])
            return own[None]
        users, _, count = features.shape
        weight = self.head_weight.view(users, -1, count)
        return torch.baddbmm(self.head_bias.view(users, 1, -1), features, weight.mT)


def _is_known(network: FewShotNetwork) -> bool:
    """Whether it is nothing but this project's blocks and a linear layer with a bias."""
    head, blocks = network.head, network.blocks
    return (
        type(network) is FewShotNetwork
        and type(head) is nn.Linear
        and head.bias is not None
        and all(type(block) is ConvBlock for block in blocks)
    )


def _side_by_side(users: Sequence[nn.ModuleList]) -> nn.ModuleList:
    wide = copy.deepcopy(users[0])
    for block, *each in zip(wide, *users, strict=True):
        block.conv.groups = len(each)
        block.conv.weight = _joined([own.conv.weight for own in each])
        block.conv.bias = None  # the normalisation takes it away again, whatever it is
        block.norm.weight = _joined([own.norm.weight for own in each])
        block.norm.bias = _joined([own.norm.bias for own in each])
    return wide


def _joined(each: Sequence[Tensor]) -> nn.Parameter:
    """One after the other in the first dimension; the parts become parts of the whole."""
    whole = torch.cat([own.detach() for own in each])
    for own, part in zip(each, whole.chunk(len(each)), strict=True):
        own.data = part
    return nn.Parameter(whole)


def pick(values: Tensor, rows: Tensor) -> Tensor:
    """values [E, n, ...] at each user's own rows [E, b] → [E, b, ...]."""
    return values[torch.arange(len(rows), device=values.device)[:, None], rows]
