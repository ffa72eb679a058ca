"""Detectors that watch the share of bad news and ring when it rises."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from aigc_tutorial.apps.news.checks import as_counts, as_thresholds
from aigc_tutorial.config import Config
from aigc_tutorial.data.checks import as_floats

SIEGMUND_OVERSHOOT = 1.166
"""Twice 0.583, by how much a walk of normal steps passes a border in the mean."""


def standardised(
    n: Shaped[Tensor, "R T"], k: Shaped[Tensor, "R T"], share: Float[Tensor, " R"]
) -> Float[Tensor, "R T"]:
    r"""How far the bad news of each hour lie above what is usual, in standard deviations.

    .. math:: z_t = \frac{k_t - n_t p_0}{\sqrt{n_t\, p_0 (1 - p_0)}}

    An hour without tweets has 0.

    Args:
        n: tweets of each hour.
        k: how many of them are named bearish.
        share: the usual share of those, p0, of each run; taken for a thousandth where it is less,
            since nothing is impossible because it was not seen yet.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if the shapes do not fit, more are named than there are, or a share is none.
    """
    n, k = as_counts(n, k)
    share = as_floats(share, "share", "Divide counts to get one.")
    if n.ndim != 2 or share.shape != n.shape[:1]:
        raise ValueError(
            f"expected n and k of shape (R, T) and a share of each run (R,), got {tuple(n.shape)} "
            f"and {tuple(share.shape)}"
        )
    if bool(((share < 0) | (share > 1)).any()):
        raise ValueError(
            f"a share lies between 0 and 1, got {float(share.min()):g} to {float(share.max()):g}"
        )
    usual = share.to(n).clamp(1e-3, 1 - 1e-3)[:, None]
    return (k - n * usual) / (n * usual * (1 - usual)).sqrt().clamp(min=1e-6)


@runtime_checkable
class Detector(Protocol):
    """A rule that keeps a state and compares a number with a threshold in each hour."""

    def begin(self, shape: tuple[int, ...]) -> Tensor:
        """The state of a fresh detector: ``shape``, and what it keeps."""

    def step(self, state: Tensor, z: Tensor, n: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The state after an hour, and the number that is compared with the threshold."""


@dataclass(frozen=True)
class Ewma(Config):
    r"""Exponentially weighted moving average, in units of its own standard deviation.

    .. math:: E_t = \lambda z_t + (1 - \lambda) E_{t-1}, \qquad
        \sigma_t^2 = \frac{\lambda}{2 - \lambda} \left(1 - (1 - \lambda)^{2t}\right)

    It rings when :math:`E_t > L\, \sigma_t`, with :math:`t` hours since its start.

    Attributes:
        weight: of the latest hour, λ.

    Source: Roberts (1959).
    """

    weight: float = 0.15

    def __post_init__(self) -> None:
        """Check the weight."""
        super().__post_init__()
        self.require("weight", above=0, at_most=1)

    def begin(self, shape: tuple[int, ...]) -> Tensor:
        """Average and age, both 0."""
        return torch.zeros(*shape, 2)

    def step(self, state: Tensor, z: Tensor, n: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Average the hour in."""
        average = self.weight * z + (1 - self.weight) * state[..., 0]
        age = state[..., 1] + 1
        variance = self.weight / (2 - self.weight) * (1 - (1 - self.weight) ** (2 * age))
        return torch.stack([average, age], -1), average / variance.sqrt()


@dataclass(frozen=True)
class Cusum(Config):
    r"""Cumulative sum of what lies above a reference.

    .. math:: S_t = \max(0,\; S_{t-1} + z_t - \kappa)

    It rings when :math:`S_t > h`.

    Attributes:
        reference: κ; half of the rise that is to be found, in standard deviations, is usual.

    Source: Page (1954).
    """

    reference: float = 0.5

    def __post_init__(self) -> None:
        """Check the reference."""
        super().__post_init__()
        self.require("reference", at_least=0)

    def begin(self, shape: tuple[int, ...]) -> Tensor:
        """A sum of 0."""
        return torch.zeros(*shape, 1)

    def step(self, state: Tensor, z: Tensor, n: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Add the hour."""
        total = (state[..., 0] + z - self.reference).clamp(min=0)
        return total[..., None], total


@dataclass(frozen=True)
class _Window(Config):
    hours: int = 6

    def __post_init__(self) -> None:
        """Check the window."""
        super().__post_init__()
        self.require("hours", at_least=1)

    def begin(self, shape: tuple[int, ...]) -> Tensor:
        """No tweets in the last hours."""
        return torch.zeros(*shape, 2 * self.hours)

    def _moved(self, state: Tensor, n: Tensor, k: Tensor) -> Tensor:
        both = torch.stack([n, k], -1)
        return torch.cat([state[..., 2:], both], -1)


@dataclass(frozen=True)
class MovingShare(_Window):
    """Share of bad news among the tweets of the last hours: the simplest rule.

    Attributes:
        hours: of the window.
    """

    def step(self, state: Tensor, z: Tensor, n: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Take the hour in, let the oldest go."""
        moved = self._moved(state, n, k)
        return moved, moved[..., 1::2].sum(-1) / moved[..., ::2].sum(-1).clamp(min=1)


@dataclass(frozen=True)
class MovingCount(_Window):
    """Number of bad news in the last hours: it rings when everything gets more.

    Attributes:
        hours: of the window.
    """

    def step(self, state: Tensor, z: Tensor, n: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Take the hour in, let the oldest go."""
        moved = self._moved(state, n, k)
        return moved, moved[..., 1::2].sum(-1)


def watch(
    detector: Detector,
    z: Float[Tensor, "R T"],
    n: Float[Tensor, "R T"],
    k: Float[Tensor, "R T"],
    *,
    thresholds: Sequence[float],
) -> Bool[Tensor, "H R T"]:
    """In which hours a detector rings, for each threshold and run.

    After an alarm it begins afresh, so that one burst is not counted in every hour.

    Args:
        detector: the rule.
        z: standardised excess of each hour, see :func:`standardised`.
        n: tweets of each hour.
        k: those named bearish.
        thresholds: H of them.

    Raises:
        TypeError: if the detector is none.
        ValueError: if the shapes differ, a number is not finite, or there is no threshold.
    """
    if not isinstance(detector, Detector) or isinstance(detector, type):
        raise TypeError(f"expected a detector, such as Cusum(), got {detector!r}")
    z = as_floats(z, "z", "standardised(n, k, share) makes it.")
    n, k = (as_floats(x, name, "Counts are taken as float32.") for x, name in ((n, "n"), (k, "k")))
    if z.ndim != 2 or not z.shape == n.shape == k.shape:
        raise ValueError(
            f"expected z, n and k of one shape (R, T), got {tuple(z.shape)}, {tuple(n.shape)} and "
            f"{tuple(k.shape)}"
        )
    limits = torch.tensor(as_thresholds(thresholds), dtype=z.dtype, device=z.device)[:, None]
    shape = len(limits), len(z)
    fresh = detector.begin(shape).to(z)
    state = fresh
    rings = torch.zeros(*shape, z.shape[1], dtype=torch.bool, device=z.device)
    for hour in range(z.shape[1]):
        columns = (column[:, hour].to(z).expand(shape) for column in (z, n, k))
        state, value = detector.step(state, *columns)
        rings[..., hour] = value > limits
        state = torch.where(rings[..., hour, None], fresh, state)
    return rings


def siegmund_run_length(threshold: float, reference: float, mean: float = 0.0) -> float:
    r"""Hours until a CUSUM rings in the mean, if the z are normal with standard deviation 1.

    .. math:: \mathrm{ARL} \approx \frac{e^{-2 \Delta b} + 2 \Delta b - 1}{2 \Delta^2},
        \qquad \Delta = \mu - \kappa, \quad b = h + 1.166

    Args:
        threshold: h.
        reference: κ.
        mean: μ of the z; 0 as long as nothing has changed.

    Returns:
        Infinity where it is more than a float can hold.

    Raises:
        ValueError: if the threshold is negative, or a number is not finite.

    Source: Siegmund (1985).
    """
    if not threshold >= 0 or not all(map(math.isfinite, (threshold, reference, mean))):
        raise ValueError(
            f"the threshold must be 0 or more and all numbers finite, got {threshold:g}, "
            f"{reference:g} and {mean:g}"
        )
    drift, border = mean - reference, threshold + SIEGMUND_OVERSHOOT
    x = drift * border
    if abs(x) < 1e-3:  # where the terms nearly cancel, as a series
        return border**2 * (1 - 2 * x / 3 + x**2 / 3)
    if x < -350:
        return math.inf
    return (math.exp(-2 * x) + 2 * x - 1) / (2 * drift**2)
