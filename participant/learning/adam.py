"""Adam without momentum, Reptile's optimiser."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Adam:
    """``torch.optim.Adam(parameters, rate, betas=(0, 0.999), fused=True)`` to the last bit, by the same
    kernel without all that is around it, which took a fifteenth of a small network's step.

    The parameters that have a gradient in the first step are those that it moves.
    """

    def __init__(self, parameters: Iterable[Tensor], rate: float) -> None:
        self._parameters = list(parameters)
        self._rate = rate
        self._moved: list[Tensor] = []
        self._averages: list[Tensor] = []
        self._squares: list[Tensor] = []
        self._step = torch.zeros(())

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if not self._moved:
            self._moved = [parameter for parameter in self._parameters if parameter.grad is not None]
            self._averages = [torch.zeros_like(parameter) for parameter in self._moved]
            self._squares = [torch.zeros_like(parameter) for parameter in self._moved]
            self._step = torch.zeros((), device=self._moved[0].device)
        if len(gradients) != len(self._moved):
            raise RuntimeError("other parameters have a gradient than in the first step")
        self._step += 1
        torch._fused_adam_(
            self._moved,
            gradients,
            self._averages,
            self._squares,
            [],
            [self._step] * len(self._moved),
            lr=self._rate,
            beta1=0.0,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
