"""Root mean square normalisation."""

from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.nn.fast import RMS_EPSILON, rms_norm

__all__ = ["rms_norm", "rms_norm_formula"]


def rms_norm_formula(x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
    r"""Scale the last dimension to root mean square 1: the line to read.

    .. math:: y = s\,x, \qquad \frac{1}{s} = \sqrt{\textstyle\sum_i x_i^2 / D} + \varepsilon,
        \qquad \varepsilon = 10^{-6}

    There is no gain, since the linear map that follows can do the same. Models call ``rms_norm``,
    which computes this in less time (:mod:`aigc_tutorial.nn.fast`).

    Source: Zhang & Sennrich (2019), arXiv 1910.07467, equation 4.
    """
    return x / (x.square().mean(dim=-1, keepdim=True).sqrt() + RMS_EPSILON)
