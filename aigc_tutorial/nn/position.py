"""Rotary positions: a query and a key meet at an angle that tells how far apart they are."""

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class RotaryPositions(nn.Module):
    r"""Cosines and sines of the angles by which :func:`rotate` turns queries and keys.

    Component i of the first half of a head and component i of its second half are the two
    coordinates of a point. At position t that point is turned by the angle

    .. math:: t\,\theta_i, \qquad \theta_i = \text{base}^{-2i/d}, \qquad i = 0, \dots, d/2 - 1.

    A rotation keeps lengths, and the product of a query turned by mθ with a key turned by nθ
    depends on m - n alone. Absolute positions go in, and attention sees relative ones.

    Source: Su et al. (2021), RoFormer, arXiv 2104.09864, equation 34; halves instead of neighbours
    form the pairs, which is another order of the same components.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, head_width: int, context: int, base: float) -> None:
        """Compute the tables.

        Args:
            head_width: d, number of components of a head; must be even.
            context: number of positions.
            base: the slowest pair turns by about 1 / base a position; so it should be longer than
                the context.

        Raises:
            ValueError: if ``head_width`` is odd or ``base`` is no number above 1.
        """
        super().__init__()
        if head_width % 2 or not 1 < base < math.inf:
            raise ValueError(
                "rotary positions need an even number of components a head and a base above 1, got "
                f"{head_width} and {base}"
            )
        self.head_width, self.context, self.base = head_width, context, base
        there = torch.get_default_device()
        for name, table in self.tables().items():
            self.register_buffer(name, table.to(there), persistent=False)

    def tables(self) -> dict[str, Float[Tensor, "context d"]]:
        """Cosines and sines of all positions, computed on the CPU and rounded to float32."""
        # On the CPU: `with torch.device("mps")` a model is built where there is no float64.
        components = torch.arange(0, self.head_width, 2, dtype=torch.float64, device="cpu")
        positions = torch.arange(self.context, dtype=torch.float64, device="cpu")
        angles = positions.outer(self.base ** -(components / self.head_width))
        cos, sin = angles.cos().float(), angles.sin().float()
        # The signs of the rotation matrix are in the table: rotate() then needs three operations.
        return {"cos": torch.cat([cos, cos], dim=1), "sin": torch.cat([-sin, sin], dim=1)}

    def _apply(self, *args: Any, **kwargs: Any) -> "RotaryPositions":
        """Go to another type or device, and compute the tables anew there.

        They are in no file: back from half a precision they would stay rounded, and with
        ``to_empty``, after a model was built on the meta device, they would be garbage.
        """
        super()._apply(*args, **kwargs)
        with torch.inference_mode(False):  # or no model could be trained after it was moved there
            for name, table in self.tables().items():
                setattr(self, name, table.to(self.get_buffer(name)))
        return self

    def forward(self, start: int | torch.SymInt, stop: int | torch.SymInt) -> tuple[Tensor, Tensor]:
        """Tables of the positions from ``start`` up to, not including, ``stop``.

        A model with a cache starts at the number of tokens it has read.

        Raises:
            ValueError: if the tables do not reach so far.
        """
        if not 0 <= start <= stop <= len(self.cos):
            raise ValueError(
                f"the tables hold the positions from 0 up to {len(self.cos)}, got {start} to {stop}"
            )
        return self.cos[start:stop], self.sin[start:stop]

    def at(self, positions: Int64[Tensor, " B"]) -> tuple[Tensor, Tensor]:
        """Tables (B, 1, d) of one position each, where all in a row of a batch are at the same."""
        return self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)


def rotate(
    x: Float[Tensor, "*B T d"],
    rotation: tuple[Float[Tensor, "... d"], Float[Tensor, "... d"]],
) -> Float[Tensor, "*B T d"]:
    """Turn queries or keys by the angles of their positions.

    Args:
        x: queries or keys.
        rotation: what :class:`RotaryPositions` returns for the positions of ``x``.
    """
    cos, sin = rotation
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)
