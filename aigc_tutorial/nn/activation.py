"""The squared rectifier."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def relu_squared(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""max(x, 0)² (So et al., 2021, arXiv 2109.08668)."""
    return _ReluSquared.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class _ReluSquared(torch.autograd.Function):
    """With the gradient 2 max(x, 0) written out: two passes over the memory instead of six."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        positive = x.relu()
        ctx.save_for_backward(positive)
        return positive.square()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        return (gradient * positive).mul_(2)
