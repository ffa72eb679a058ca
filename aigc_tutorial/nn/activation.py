"""The squared rectifier."""

from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.nn.fast import relu_squared

__all__ = ["relu_squared", "relu_squared_formula"]


def relu_squared_formula(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""max(x, 0)² (So et al., 2021, arXiv 2109.08668): the line to read.

    Models call ``relu_squared``, which computes this in less time
    (:mod:`aigc_tutorial.nn.fast`).
    """
    return x.relu().square()
