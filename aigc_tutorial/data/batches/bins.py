"""Points of the plane as tokens, for models of discrete symbols."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.config import Config
from aigc_tutorial.data.checks import Samples, as_floats, require_rng
from aigc_tutorial.integers import IntegersLike, as_int64


@dataclass(frozen=True)
class PlaneBins(Config):
    """Each coordinate of a point becomes the number of the bin that it lies in.

    A sequence is a first token that is always the same, the bin of x₁ and the bin of x₂: so the
    first coordinate is predicted from something, too.

    >>> bins = PlaneBins(n_bins=4, extent=2.0)
    >>> bins.to_tokens(torch.tensor([[-1.5, 0.5]]))
    tensor([[4, 0, 2]])

    Attributes:
        n_bins: bins of each coordinate.
        extent: they cover [-extent, extent].
    """

    n_bins: int = 64
    extent: float = 3.2

    def __post_init__(self) -> None:
        """Check both settings."""
        super().__post_init__()
        self.require("n_bins", at_least=1)
        self.require("extent", above=0)

    @property
    def width(self) -> float:
        """Width w of a bin; the area of a pair of bins is w²."""
        return 2 * self.extent / self.n_bins

    @property
    def start(self) -> int:
        """The token that every sequence begins with, one more than the last bin."""
        return self.n_bins

    @property
    def vocab_size(self) -> int:
        """V: the bins, and the first token."""
        return self.n_bins + 1

    def to_tokens(self, points: Samples) -> Int64[Tensor, "N 3"]:
        """The first token, and the bins of both coordinates.

        Args:
            points: (N, 2), within the square that the bins cover.

        Raises:
            ValueError: if these are no points of the plane, or one lies outside the square.
        """
        points = as_floats(points, "points", "Points of the plane have coordinates.")
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(
                f"points must be of the plane, of shape (N, 2), got {tuple(points.shape)}"
            )
        n_outside = int(((points < -self.extent) | (points >= self.extent)).any(1).sum())
        if n_outside:
            raise ValueError(
                f"{n_outside} of {len(points)} points lie outside the square of ±{self.extent:g} "
                "that the bins cover; make bins of a larger extent"
            )
        # Rounding may lift a point just below the end into the bin after the last one.
        bins = ((points + self.extent) / self.width).long().clamp(max=self.n_bins - 1)
        return torch.cat([bins.new_full((len(bins), 1), self.start), bins], dim=1)

    def to_points(
        self, tokens: Int64[Tensor, "N 3"] | IntegersLike, *, rng: torch.Generator
    ) -> Float[Tensor, "N 2"]:
        """A point anywhere in its two bins: each place in them is equally probable.

        A model may draw the first token once more, as a coordinate; there it counts as the bin
        after the last one, so the point lies outside the square.

        Args:
            tokens: sequences as :meth:`to_tokens` makes them.
            rng: draws the places, on the tokens' device or on the CPU.

        Raises:
            ValueError: if these are no such sequences.
        """
        tokens = as_int64(tokens, "tokens", "to_tokens makes them from points")
        if tokens.ndim != 2 or tokens.shape[1] != 3:
            raise ValueError(
                "tokens must be the first token and two bins a row, of shape (N, 3), got "
                f"{tuple(tokens.shape)}"
            )
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) <= self.start:
            raise ValueError(
                f"expected tokens 0 … {self.start}, got {int(tokens.min())} … {int(tokens.max())}"
            )
        device = require_rng(rng).device
        place = torch.rand(len(tokens), 2, generator=rng, device=device, dtype=torch.float32)
        return (tokens[:, 1:] + place.to(tokens.device)) * self.width - self.extent
