"""Steepest descent for matrices: steps along which all singular values are equal."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_N_STEPS = 5


class SpectralDescent(torch.optim.Optimizer):
    r"""Moves each matrix against the orthogonal factor of its gradient.

    .. math:: G = U \Sigma V^\top, \qquad \theta \leftarrow \theta - \eta\, U V^\top

    Among all steps that change the product of the matrix with a unit vector by at most
    :math:`\eta`, this one goes down fastest (Carlson et al., 2015). The gradient of a layer has a
    few large singular values and many small ones; here the directions of the small ones, which
    plain descent and Adam leave behind, are learned as fast as the others.

    A convolution's kernel (C_out, C_in, K, K) counts as the matrix (C_out, C_in K²) by which it
    multiplies a patch. The optimizer remembers nothing. With momentum it would be Muon (Jordan et
    al., 2024, kellerjordan.github.io/posts/muon), whose iteration it uses.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        """Take the parameters.

        Args:
            parameters: each with two dimensions or more; the first counts the outputs.
            lr: the step's spectral norm, about.

        Raises:
            ValueError: if the rate is not positive or a parameter is a vector.
        """
        if not lr > 0:
            raise ValueError(f"the learning rate must be above 0, got {lr}")
        super().__init__(parameters, {"lr": lr})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim < 2:
                    raise ValueError(
                        "only matrices and kernels have singular values, got a parameter of "
                        f"shape {tuple(parameter.shape)}"
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient.

        Raises:
            ValueError: if a closure is given: the gradient is taken once, from ``parameter.grad``.
        """
        if closure is not None:
            raise ValueError("this optimizer takes no closure: call backward() before step()")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    factor = orthogonal_factor(parameter.grad.flatten(1))
                    parameter.sub_(factor.view(parameter.shape), alpha=group["lr"])


def orthogonal_factor(matrix: Float[Tensor, "R C"]) -> Float[Tensor, "R C"]:
    r"""Bring all singular values of a matrix near 1 and keep its singular vectors.

    Five steps of a Newton-Schulz iteration (Jordan et al., 2024), which begins with X of Frobenius
    norm 1,

    .. math:: X \leftarrow P X, \qquad P = a + b\,X X^\top + c\,(X X^\top)^2 ,

    leave them between about 0.7 and 1.2, close enough for a direction. Since P is a polynomial in
    :math:`X X^\top`, all steps are taken on this one matrix, which is small for a matrix that is
    wide, and X is multiplied once, at the end. A matrix of zeros stays zero.

    Args:
        matrix: with any numbers of rows and columns.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal_factor(matrix.mT).mT
    a, b, c = _COEFFICIENTS
    x = matrix / torch.linalg.matrix_norm(matrix).clamp(min=1e-30)
    gram = x @ x.mT
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity
    for _ in range(_N_STEPS):
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c) + a * identity
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    return product @ x
