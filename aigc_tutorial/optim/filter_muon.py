"""Muon for convolutions: a filter bank is a matrix with a row for each feature map it makes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aigc_tutorial.optim.muon import StackedMuon


class FilterMuon(torch.optim.Optimizer):
    """Moves weights with any number of axes as Muon moves matrices.

    A convolution computes, at each place, the product of a matrix with the patch under its kernel.
    That matrix, (maps out, maps in · kernel height · kernel width), is what is made orthogonal. It
    shares the weight's memory.

    Source: Jordan et al. (2024), kellerjordan.github.io/posts/muon, on convolutions.
    """

    def __init__(self, weights: Sequence[Tensor], **options: Any) -> None:
        """Take weights.

        Args:
            weights: each with two axes or more, and contiguous.
            **options: as :class:`torch.optim.Muon` takes them.

        Raises:
            RuntimeError: if a weight is not contiguous, so that no matrix shares its memory.
        """
        self.matrices = [nn.Parameter(w.detach().view(len(w), -1)) for w in weights]
        self.muon = StackedMuon(self.matrices, **options)
        (group,) = self.muon.param_groups
        super().__init__(weights, {"lr": group["lr"]})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step.

        Raises:
            ValueError: if a closure is given: the gradient is taken once, from ``parameter.grad``.
        """
        (group,) = self.param_groups
        self.muon.param_groups[0]["lr"] = group["lr"]
        for matrix, weight in zip(self.matrices, group["params"], strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.reshape(matrix.shape)
        self.muon.step(closure)
        self.muon.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """State of the matrices."""
        return self.muon.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.muon.load_state_dict(state)
