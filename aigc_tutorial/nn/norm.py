"""Root mean square normalisation."""

import torch
from jaxtyping import Float
from torch import Tensor

_EPSILON = torch.tensor(1e-6)


def rms_norm(x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
    r"""Scale the last dimension to root mean square 1.

    .. math:: y = \frac{x}{\sqrt{\sum_i x_i^2 / D} + \varepsilon}, \qquad \varepsilon = 10^{-6}

    There is no gain, since the linear map that follows can do the same. On a processor torch's own
    function takes twice as long for a single token, and a model generates token by token.

    Source: Zhang & Sennrich (2019), arXiv 1910.07467, equation 4.
    """
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.add(_EPSILON, length, alpha=x.shape[-1] ** -0.5)
