"""The gate of PixelCNN and WaveNet: one half of the features says what, the other how much."""

import torch
from jaxtyping import Float
from torch import Tensor


def gate(features: Float[Tensor, "..."], *, dim: int = 1) -> Float[Tensor, "..."]:
    r""":math:`\tanh(a) \odot \sigma(b)` of the first and the second half of the features.

    Source: van den Oord et al. (2016), Conditional image generation with PixelCNN decoders,
    arXiv 1606.05328, equation 2.

    Args:
        features: 2 D features.
        dim: their axis.

    Returns:
        D features.

    Raises:
        ValueError: if the number of features is odd.
    """
    if features.shape[dim] % 2:
        raise ValueError(
            "one half of the features gates the other, so their number must be even, got "
            f"{features.shape[dim]} on axis {dim}"
        )
    values, gates = features.chunk(2, dim=dim)
    # tanh(a) = 2 σ(2 a) - 1: on a CPU torch's sigmoid takes a tenth of the time of its tanh.
    return (2 * torch.sigmoid(2 * values) - 1) * torch.sigmoid(gates)
