"""Muon for a model whose layers are alike: matrices of one shape are made orthogonal together."""

import math
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.cpu import fast_precision


class StackedMuon(torch.optim.Muon):
    """Moves every matrix as :class:`torch.optim.Muon` does, in fewer and larger products.

    The layers of a Transformer have matrices of the same few shapes. Torch takes them one by one,
    and small products keep a processor busy with everything but multiplying: in a stack they take a
    fifth less time on one thread. The state is torch's, so that the two can continue each other.

    Source: Jordan et al. (2024), kellerjordan.github.io/posts/muon.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step.

        Raises:
            ValueError: if a closure is given: the gradient is taken once, from ``parameter.grad``.
        """
        if closure is not None:
            raise ValueError("this optimizer takes no closure: call backward() before step()")
        for group in self.param_groups:
            stacks: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    stacks.setdefault(parameter.shape, []).append(parameter)
            for parameters in stacks.values():
                self._move(parameters, group)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move parameters of one shape; the formulas are those of torch's optimizer."""
        rate, momentum = group["lr"], group["momentum"]
        for parameter in parameters:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        averages = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        updates = torch._foreach_lerp(gradients, averages, momentum)
        directions = orthogonalise(
            torch.stack(updates), group["ns_coefficients"], group["ns_steps"], group["eps"]
        )
        n_rows, n_columns = parameters[0].shape
        torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        torch._foreach_add_(
            parameters,
            list(directions.to(parameters[0].dtype)),
            alpha=-rate * math.sqrt(max(1.0, n_rows / n_columns)),
        )


def orthogonalise(
    matrices: Float[Tensor, "S R C"],
    coefficients: tuple[float, float, float],
    n_steps: int,
    epsilon: float = 1e-7,
) -> Float[Tensor, "S R C"]:
    r"""Bring all singular values of each matrix near 1, by a Newton-Schulz iteration.

    .. math:: X \leftarrow a X + b\,(X X^\top) X + c\,(X X^\top)^2 X

    It begins with X of Frobenius norm 1 and is computed in bfloat16 where that is fast: the result
    need not be exact.

    Args:
        matrices: a stack of them.
        coefficients: a, b and c.
        n_steps: iterations.
        epsilon: least norm that is divided by.
    """
    imitated = matrices.device.type == "cpu" and fast_precision() == "no"
    x = matrices if imitated else matrices.bfloat16()
    is_tall = matrices.shape[1] > matrices.shape[2]
    if is_tall:
        x = x.mT
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=epsilon)
    a, b, c = coefficients
    for _ in range(n_steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x
