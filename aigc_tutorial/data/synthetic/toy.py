"""Distributions in the plane whose density is known exactly.

Each is a mixture of equally weighted, round Gaussians of one width. For the ring and the grid
every Gaussian is a mode. For the curves the Gaussians stand along each curve, at most one standard
deviation apart: the density is then smooth along the curve (it ripples by less than 1e-7) and still
a finite sum, so that nothing about it is approximate.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import Samples, as_given, require_finite, require_rng
from aigc_tutorial.integers import as_count

_POINTS_AT_A_TIME = 8192
"""Distances of so many points to all centres are in memory at once."""


@dataclass(frozen=True, eq=False)
class ToyDistribution:
    """A mixture of equally weighted Gaussians N(centre, std² I) in the plane.

    Attributes:
        name: name of the family, for titles.
        centres: centre of each Gaussian.
        modes: mode (one lump of the ring or grid, one arm, one moon) each Gaussian belongs to,
            numbered from 0 without gaps.
        std: standard deviation of each Gaussian along each axis.
    """

    name: str
    centres: Float[Tensor, "K 2"]
    modes: Int64[Tensor, " K"]
    std: float

    def __post_init__(self) -> None:
        """Check what the formulas rely on."""
        if not 0 < self.std < math.inf:
            raise ValueError(f"std is {self.std}; a standard deviation must be above 0, and finite")
        if self.centres.ndim != 2 or self.centres.shape[1] != 2 or len(self.centres) == 0:
            raise ValueError(
                f"centres must be at least one point of the plane, of shape (K, 2), got shape "
                f"{tuple(self.centres.shape)}"
            )
        require_finite(self.centres, "centres")
        if len(self.modes) != len(self.centres):
            raise ValueError(
                f"each centre belongs to one mode, got {len(self.centres)} centres and "
                f"{len(self.modes)} modes"
            )
        if not torch.equal(
            self.modes.unique(), torch.arange(self.n_modes, device=self.modes.device)
        ):
            raise ValueError("modes must be numbered from 0 without gaps")
        # Copies: whoever goes on to change the tensors makes another distribution.
        object.__setattr__(self, "centres", self.centres.clone())
        object.__setattr__(self, "modes", self.modes.clone())

    @property
    def n_modes(self) -> int:
        """Number of modes."""
        return int(self.modes.max()) + 1

    @property
    def mode_centres(self) -> Float[Tensor, "n_modes 2"]:
        """Mean of each mode. An arm or a moon need not pass through its own mean."""
        return torch.stack([self.centres[self.modes == m].mean(0) for m in range(self.n_modes)])

    def sample(self, n: int, *, rng: torch.Generator) -> Float[Tensor, "n 2"]:
        """Draw ``n`` independent points, on the generator's device."""
        as_count(n, "n")
        device = require_rng(rng).device
        which = torch.randint(len(self.centres), (n,), generator=rng, device=device)
        noise = torch.randn(n, 2, generator=rng, device=device, dtype=torch.float32)
        return self.centres.to(device)[which] + self.std * noise

    def log_density(self, x: Float[Tensor, "N 2"] | Samples) -> Float[Tensor, " N"]:
        """Natural logarithm of the density p(x) = 1/K · Σ_k N(x; centre_k, std² I)."""
        log_normaliser = math.log(len(self.centres) * 2 * math.pi * self.std**2)
        log_sums = [
            (-self._squared_distances(part) / (2 * self.std**2)).logsumexp(dim=1)
            for part in _as_points(x)
        ]
        return torch.cat(log_sums) - log_normaliser

    def assign_modes(self, x: Float[Tensor, "N 2"] | Samples) -> Int64[Tensor, " N"]:
        """Mode of the Gaussian that is nearest to each point: the likeliest to have made it.

        Raises:
            ValueError: if a point is NaN, infinite, or so far that no Gaussian is nearest to it.
        """
        parts = [self._squared_distances(part).min(dim=1) for part in _as_points(x)]
        # Of distances that are all NaN, or all infinite, the first would be the least.
        if n_lost := sum(int((~part.values.isfinite()).sum()) for part in parts):
            raise ValueError(
                f"{n_lost} points have no distance to any Gaussian: they are NaN, infinite, or so "
                "far that the square is infinite; leave them out"
            )
        nearest = torch.cat([part.indices for part in parts])
        return self.modes.to(nearest.device)[nearest]

    def is_high_quality(
        self, x: Float[Tensor, "N 2"] | Samples, n_std: float = 3.0
    ) -> Bool[Tensor, " N"]:
        """Whether each point lies within ``n_std`` standard deviations of a Gaussian's centre.

        For a ring or grid this is the usual criterion, with 3 standard deviations (Srivastava
        et al. 2017, VEEGAN, section 4). The true distribution itself does not reach 100 %: of a
        single Gaussian 1 - exp(-n_std²/2) lies within, 98.9 % for 3.
        """
        nearest = [self._squared_distances(part).amin(dim=1) for part in _as_points(x)]
        return torch.cat(nearest) <= (n_std * self.std) ** 2

    def _squared_distances(self, x: Float[Tensor, "N 2"]) -> Float[Tensor, "N K"]:
        x = x if x.dtype == torch.float64 else x.float()  # half a precision moves the centres
        # Differences, not |x|² - 2x·c + |c|²: that loses the digits that a small std needs.
        return (x[:, None] - self.centres.to(x)).square().sum(dim=2)


def _as_points(x: Samples) -> tuple[Float[Tensor, "M 2"], ...]:
    """Points of the plane, so many at a time.

    Raises:
        ValueError: if they are none: points of a line would be taken for pairs of equal numbers.
    """
    points = as_given(x, "the points")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected points of the plane, (N, 2), got {tuple(points.shape)}")
    return points.split(_POINTS_AT_A_TIME)


def ring(n_modes: int = 8, radius: float = 2.0, std: float = 0.02) -> ToyDistribution:
    """Gaussians at equal distances on a circle; the first at angle 0, then anticlockwise.

    The defaults are those of Metz et al. (2017), Unrolled Generative Adversarial Networks.
    """
    as_count(n_modes, "n_modes")
    angles = torch.arange(n_modes, dtype=torch.float32, device="cpu") * (2 * math.pi / n_modes)
    return ToyDistribution("ring", _polar(radius, angles), torch.arange(n_modes, device="cpu"), std)


def grid(n_side: int = 5, spacing: float = 2.0, std: float = 0.05) -> ToyDistribution:
    """Gaussians on a square grid of ``n_side`` × ``n_side`` around the origin, row by row.

    The defaults are those of Srivastava et al. (2017), VEEGAN.
    """
    as_count(n_side, "n_side")
    axis = (torch.arange(n_side, dtype=torch.float32, device="cpu") - (n_side - 1) / 2) * spacing
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    centres = torch.stack([x.flatten(), y.flatten()], dim=1)
    return ToyDistribution("grid", centres, torch.arange(n_side**2, device="cpu"), std)


def spiral(
    n_arms: int = 2, radius: float = 2.0, turns: float = 1.0, std: float = 0.05
) -> ToyDistribution:
    """Arms of an Archimedean spiral, uniform along their length; each arm is a mode.

    An arm runs from a fifth of ``radius``, so that the arms stay apart in the middle, to
    ``radius``, while it turns by ``turns`` full circles.
    """
    as_count(n_arms, "n_arms")
    fine = torch.linspace(0, 1, 10_001, dtype=torch.float64, device="cpu")
    curve = _polar(radius * (0.2 + 0.8 * fine), 2 * math.pi * turns * fine)
    arm = _equidistant(curve, std)
    arms = []
    for angle in torch.arange(n_arms, dtype=torch.float64, device="cpu") * (2 * math.pi / n_arms):
        cos, sin = angle.cos(), angle.sin()
        rotation = torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])
        arms.append(arm @ rotation)
    return _along_curves("spiral", arms, std)


def two_moons(radius: float = 1.0, std: float = 0.1) -> ToyDistribution:
    """Two half circles that reach into each other, each a mode, uniform along their length.

    The shape is that of scikit-learn's ``make_moons``, moved so that the origin is its middle.
    """
    angles = torch.linspace(0, math.pi, 10_001, dtype=torch.float64, device="cpu")
    middle = torch.tensor([0.5, 0.25], dtype=torch.float64, device="cpu") * radius
    upper = _polar(radius, angles) - middle
    moon = _equidistant(upper, std)
    return _along_curves("two moons", [moon, -moon], std)


def _polar(
    radius: float | Float[Tensor, " K"], angles: Float[Tensor, " K"]
) -> Float[Tensor, "K 2"]:
    return torch.stack([radius * angles.cos(), radius * angles.sin()], dim=1)


def _equidistant(curve: Float[Tensor, "fine 2"], std: float) -> Float[Tensor, "K 2"]:
    """Points along a finely drawn curve, at equal distances of at most ``std``, ends included."""
    if not std > 0:
        raise ValueError(f"std is {std}; a standard deviation must be above 0")
    steps = curve.diff(dim=0).norm(dim=1)
    length = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    shares = torch.linspace(0, 1, 2 + int(length[-1] / std), dtype=length.dtype, device="cpu")
    wanted = shares * length[-1]
    x, y = (np.interp(wanted.numpy(), length.numpy(), axis.numpy()) for axis in curve.T)
    return torch.from_numpy(np.stack([x, y], axis=1))


def _along_curves(name: str, curves: list[Tensor], std: float) -> ToyDistribution:
    modes = [torch.full((len(curve),), mode, device="cpu") for mode, curve in enumerate(curves)]
    return ToyDistribution(name, torch.cat(curves).float(), torch.cat(modes), std)
