"""Where half a precision is too little."""

import torch
from jaxtyping import Float
from torch import Tensor


def full_precision(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The numbers in float32, or in float64 if that is what they are.

    A network may compute in bfloat16, which keeps three digits; a loss, a penalty or a logarithm of
    what it returns needs more of them.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
