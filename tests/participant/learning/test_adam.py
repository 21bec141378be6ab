import pytest
import torch
from torch import Tensor

from participant.learning.adam import Adam

RATE = 1e-3


def parameters() -> list[Tensor]:
    """Of several sizes, so that both whole vectors and what is left over are seen."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(64, 3, 3, 3), (5,), (1, 37), (2,)]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def loss(values: list[Tensor], step: int) -> Tensor:
    """Without the last of them."""
    return sum((value * (step + 1)).sin().square().sum() for value in values[:-1])  # type: ignore[return-value]


def test_it_is_torchs_adam_without_momentum_to_the_last_bit() -> None:
    ours, theirs = parameters(), parameters()
    untouched = ours[-1].detach().clone()
    mine = Adam(ours, RATE)
    reference = torch.optim.Adam(theirs, RATE, betas=(0.0, 0.999), fused=True)
    for step in range(20):
        mine.zero_grad()
        reference.zero_grad()
        loss(ours, step).backward()  # type: ignore[no-untyped-call]
        loss(theirs, step).backward()  # type: ignore[no-untyped-call]
        mine.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)
    assert torch.equal(ours[-1], untouched)


def test_a_gradient_that_comes_or_goes_later_is_not_ignored() -> None:
    values = parameters()
    optimizer = Adam(values, RATE)
    loss(values, 0).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    values[-1].sum().backward()  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="other parameters have a gradient than in the first step"):
        optimizer.step()
