"""Token shift: each token takes in a little of those just before it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn


class TokenShift(nn.Module):
    r"""Mixes into each token's features learned shares of those just before it.

    .. math:: y_t = x_t + \sum_{s=1}^{S} a_s \odot x_{t-s}

    What lies before the first token is zero. Attention could do this too, and needs a head and many
    steps to learn it. The idea is that of RWKV (Peng et al., 2023, arXiv 2305.13048, section 3.1).
    """

    def __init__(self, n_tokens: int, width: int) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.zeros(n_tokens, width))

    def forward(
        self,
        x: Float[Tensor, "B K D"],
        padded: Float[Tensor, "B P D"],
        segments: Int64[Tensor, "B K"] | None = None,
    ) -> Float[Tensor, "B K D"]:
        """Mix.

        Args:
            x: features of K tokens.
            padded: those of the S tokens before them, or zeros, and then ``x`` again.
            segments: nothing is taken from a token of another segment.
        """
        (n_shift, _), n_new = self.shares.shape, x.shape[1]
        for lag, share in enumerate(self.shares, start=1):
            earlier = padded.narrow(1, n_shift - lag, n_new)
            if segments is not None:
                same = segments[:, lag:] == segments[:, :-lag]
                earlier = earlier * F.pad(same, (min(lag, n_new), 0))[..., None]
            x = torch.addcmul(x, earlier, share)
        return x
