"""Muon for weights of any number of dimensions; without momentum it is spectral descent."""

import math
import sys
from collections.abc import Iterable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn.precision import autocast_off, rounding_of_factors
from aigc_tutorial.optim.settings import check_at_least, check_rate, check_share

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b and c of the Newton-Schulz iteration, chosen for steepness at 0 (Jordan et al., 2024)."""


# Settings of torch.optim.Muon that are none here, and their values that mean the same steps.
_TORCHS_SETTINGS: dict[str, tuple[Any, ...]] = {
    "nesterov": (True,),
    "ns_coefficients": (COEFFICIENTS, list(COEFFICIENTS)),
    "adjust_lr_fn": ("original", None),
}


class Muon(torch.optim.Optimizer):
    r"""Moves each matrix against the orthogonal factor of its averaged gradient.

    .. math::
        M &\leftarrow \mu M + (1 - \mu)\, G, \qquad (1 - \mu)\, G + \mu M = U \Sigma V^\top \\
        \theta &\leftarrow (1 - \eta \lambda)\, \theta - \eta\, s\, U V^\top,
            \qquad s = \sqrt{\max(1, R / C)}

    R and C are the numbers of rows and columns. :math:`U V^\top` comes from :func:`orthogonalise`,
    about. On matrices this equals :class:`torch.optim.Muon`, and can go on from its state. Two
    things are added.

    A weight with more axes is a bank of filters and counts as the matrix (maps out, maps in ·
    kernel height · kernel width) by which a convolution multiplies the patch under its kernel.

    Matrices of one shape are made orthogonal together: the layers of a Transformer have matrices of
    the same few shapes, and small products one by one keep a processor busy with everything but
    multiplying.

    Source: Jordan et al. (2024), kellerjordan.github.io/posts/muon.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        ns_steps: int = 5,
        eps: float = 1e-7,
        scale_by_shape: bool = True,
        bfloat16: bool = True,
    ) -> None:
        r"""Take parameters.

        Args:
            parameters: each with two axes or more; the first counts the outputs.
            lr: the learning rate :math:`\eta`: about the step's spectral norm, where s is 1.
            momentum: :math:`\mu`; with 0 nothing is remembered.
            weight_decay: :math:`\lambda`.
            ns_steps: iterations of :func:`orthogonalise`.
            eps: least norm of a gradient that is scaled up to an orthogonal factor.
            scale_by_shape: False for s = 1.
            bfloat16: compute the factor of float32 weights in bfloat16 where that is fast, since it
                need not be exact; False for the weight's own type everywhere.

        Raises:
            ValueError: if a parameter is a vector, or a setting is out of its range.
        """
        settings = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "ns_steps": ns_steps,
            "eps": eps,
            "scale_by_shape": scale_by_shape,
            "bfloat16": bfloat16,
        }
        super().__init__(parameters, settings)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take further parameters, whose settings are those of the constructor unless given.

        Raises:
            ValueError: if a parameter is a vector, or a setting is out of its range.
        """
        settings = self.defaults | param_group
        check_rate(settings["lr"])
        check_share("momentum", settings["momentum"])
        check_at_least("weight_decay", settings["weight_decay"], 0)
        as_count(settings["ns_steps"], "ns_steps")
        if not 0 < settings["eps"] < math.inf:
            raise ValueError(f"eps must be a number above 0, got {settings['eps']}")
        super().add_param_group(param_group)
        for parameter in self.param_groups[-1]["params"]:
            if parameter.ndim < 2:
                raise ValueError(
                    "only matrices and filters have singular values, got a parameter of "
                    f"shape {tuple(parameter.shape)}; let AdamW move it"
                )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state of this class or of :class:`torch.optim.Muon`, settings included.

        Settings that a state does not name, as torch's does not name all, stay as they are.

        Raises:
            ValueError: if the state is of a torch.optim.Muon that takes other steps than this one.
        """
        groups = []
        for group in state_dict["param_groups"]:
            groups.append({k: v for k, v in group.items() if k not in _TORCHS_SETTINGS})
            for name, allowed in _TORCHS_SETTINGS.items():
                if name in group and group[name] not in allowed:
                    raise ValueError(
                        f"the state is of a torch.optim.Muon with {name}={group[name]!r}, and this "
                        f"optimizer steps as one with {name}={allowed[0]!r}; go on with that, or "
                        "begin without a state"
                    )
        super().load_state_dict({**state_dict, "param_groups": groups})
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient.

        Raises:
            ValueError: if a closure is given: the gradient is taken once, from ``parameter.grad``.
        """
        if closure is not None:
            raise ValueError("this optimizer takes no closure: call backward() before step()")
        for group in self.param_groups:
            stacks: dict[Any, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike = (parameter.shape, parameter.dtype, parameter.device)
                    stacks.setdefault(alike, []).append(parameter)
            for parameters in stacks.values():
                self._move(parameters, group)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move parameters of one shape."""
        updates = self._averages(parameters, group["momentum"])
        # A filter bank in the order of its axes, in whatever order it lies in memory.
        matrices = torch.stack([update.flatten(1) for update in updates])
        fast = matrices.bfloat16() if group["bfloat16"] and _is_fast_rounded(matrices) else matrices
        factors = orthogonalise(fast, group["ns_steps"], group["eps"])
        rate, (n_rows, n_columns) = group["lr"], matrices.shape[1:]
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        if group["scale_by_shape"]:
            # Not in place: a rate that is a tensor, as torch takes it too, is the group's own.
            rate = rate * math.sqrt(max(1.0, n_rows / n_columns))
        steps = factors.to(matrices.dtype).unflatten(2, parameters[0].shape[1:])
        torch._foreach_add_(parameters, list(steps), alpha=-rate)

    def _averages(self, parameters: list[Tensor], momentum: float) -> list[Tensor]:
        """Move the averages of the gradients; return them, looking one step ahead."""
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        if momentum == 0:
            return gradients
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
        averages = [state["momentum_buffer"] for state in states]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        return list(torch._foreach_lerp(gradients, averages, momentum))


def spectral_descent(parameters: Iterable[Tensor], lr: float) -> Muon:
    r"""Muon without momentum, decay and scaling: steepest descent in the spectral norm.

    .. math:: G = U \Sigma V^\top, \qquad \theta \leftarrow \theta - \eta\, U V^\top

    Among all steps that change the product of the matrix with a unit vector by at most
    :math:`\eta`, this one goes down fastest (Carlson et al., 2015). The gradient of a layer has a
    few large singular values and many small ones; here the directions of the small ones, which
    plain descent and Adam leave behind, are learned as fast as the others.

    Args:
        parameters: each with two axes or more.
        lr: :math:`\eta`, the step's spectral norm, about, however small the gradient is.
    """
    settings: dict[str, Any] = {"scale_by_shape": False, "bfloat16": False}
    eps = sys.float_info.min  # 0 in float32: every gradient is scaled up
    return Muon(parameters, lr, momentum=0.0, weight_decay=0.0, eps=eps, **settings)


@autocast_off()
def orthogonalise(
    matrices: Float[Tensor, "S R C"], n_steps: int = 5, eps: float = 1e-7
) -> Float[Tensor, "S R C"]:
    r"""Bring all singular values of each matrix near 1 and keep its singular vectors.

    A Newton-Schulz iteration, which begins with X of Frobenius norm 1,

    .. math:: X \leftarrow P X, \qquad P = a + b\,X X^\top + c\,(X X^\top)^2 ,

    leaves them after five steps between about 0.7 and 1.2, close enough for a direction. Since P is
    a polynomial in :math:`X X^\top`, the steps can be taken on this one matrix, and X is multiplied
    once, at the end. That is less work where X is wide. In half precision it is not done, nor where
    ``torch.set_float32_matmul_precision`` allows products of rounded factors: the rounded
    :math:`X X^\top` has negative eigenvalues, which the steps make large. A caller's
    ``torch.autocast`` changes nothing here.

    Args:
        matrices: a stack of them, of numbers of any size. A matrix of zeros stays zero.
        n_steps: iterations.
        eps: least norm that is divided by.

    Raises:
        ValueError: if it is no stack.
    """
    if matrices.ndim != 3:
        raise ValueError(
            f"expected a stack of matrices (S, R, C), got the shape {tuple(matrices.shape)}; of "
            "one matrix matrix[None] makes a stack"
        )
    n_rows, n_columns = matrices.shape[1:]
    if n_rows > n_columns:
        return orthogonalise(matrices.mT, n_steps, eps).mT
    # First by the largest entry: squares of very small or large ones are no numbers any more.
    largest = torch.linalg.vector_norm(matrices, math.inf, dim=(1, 2), keepdim=True)
    largest = torch.where(largest > 0, largest, 1)
    x = matrices / largest
    norm = torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1)  # below 1 of zeros alone
    x = x / torch.maximum(norm, eps / largest)
    a, b, c = COEFFICIENTS
    bits = torch.finfo(x.dtype).bits
    is_rounded = bits < 32 or (bits == 32 and rounding_of_factors() > 0)
    if n_columns < 1.5 * n_rows or is_rounded:
        for _ in range(n_steps):
            gram = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        return x
    gram, product = x @ x.mT, torch.eye(n_rows, dtype=x.dtype, device=x.device)
    for _ in range(n_steps):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    return product @ x


def _is_fast_rounded(matrices: Tensor) -> bool:
    """Whether these are float32 and this machine multiplies faster in bfloat16."""
    imitated = matrices.device.type == "cpu" and fast_precision() == "no"
    return matrices.dtype == torch.float32 and not imitated
