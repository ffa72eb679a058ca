"""Are all kinds there? Shares of the classes, and the modes of 2-D toy distributions."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from aigc_tutorial.data.checks import (
    Samples,
    as_classes,
    as_samples,
    as_tensor,
    require_finite,
    require_samples,
)
from aigc_tutorial.data.synthetic.toy import ToyDistribution
from aigc_tutorial.integers import as_count


def class_shares(labels: Samples, n_classes: int = 10) -> Float64[Tensor, " K"]:
    """Share of each class among the labels.

    Args:
        labels: Classes (N,) from 0 to ``n_classes - 1``, for example what a classifier calls
            samples.
        n_classes: Number K of classes.

    Returns:
        Shares that add up to 1.

    Raises:
        ValueError: If there are fewer than ten labels a class, or a label is out of range.
    """
    n_classes = as_count(n_classes, "n_classes")
    classes = as_classes(labels, n_classes).cpu()
    require_samples(
        classes,
        10 * n_classes,
        "labels",
        f"ten a class for {n_classes} classes; with fewer, shares are chance",
    )
    return torch.bincount(classes, minlength=n_classes).double() / len(classes)


def kl_to_uniform(shares: Samples) -> float:
    """Kullback-Leibler divergence of the shares from equal shares, in nats.

        KL = Σ pₖ log(K pₖ)

    0 if all classes are equally frequent, log K if there is only one. Shares counted from N
    samples of a uniform distribution give (K - 1) / 2N on average, not 0.

    Args:
        shares: Shares (K,) of K classes that add up to 1.

    Returns:
        The divergence, from 0 to log K.

    Raises:
        ValueError: If a share is negative or NaN, or their sum is not 1.
    """
    shares = as_tensor(shares, "shares").cpu().double()
    if shares.ndim != 1 or len(shares) == 0:
        raise ValueError(f"shares must have the shape (K,), got {tuple(shares.shape)}.")
    require_finite(shares, "shares")
    total = shares.sum().item()
    if shares.min() < 0 or abs(total - 1) > 1e-4:
        raise ValueError(
            f"Shares must not be negative and must add up to 1, got a smallest share of "
            f"{shares.min().item():.4g} and a sum of {total:.6g}. Divide counts by their sum."
        )
    shares = shares / total
    return max(0.0, torch.special.xlogy(shares, shares * len(shares)).sum().item())


@dataclass(frozen=True)
class ModeCoverage:
    """How samples cover the modes of a toy distribution.

    Attributes:
        n_samples: Number of samples.
        n_modes: Modes of the distribution.
        n_found: Modes that the samples reach.
        share_high_quality: Share of the samples within three standard deviations of a mode.
        shares: Share of each mode among the high-quality samples, all 0 if there is none.
        kl_to_uniform: Divergence of these shares from equal ones, in nats; infinite if there is
            no high-quality sample.
    """

    n_samples: int
    n_modes: int
    n_found: int
    share_high_quality: float
    shares: tuple[float, ...]
    kl_to_uniform: float

    def __str__(self) -> str:
        """The finding in one line."""
        return (
            f"{self.n_found} of {self.n_modes} modes, {self.share_high_quality:.1%} high quality, "
            f"KL to uniform {self.kl_to_uniform:.3f} ({self.n_samples:,} samples)"
        )


def mode_coverage(
    samples: Samples, distribution: ToyDistribution, *, min_share: float = 0.1
) -> ModeCoverage:
    """Count the modes that samples reach, and the samples that reach a mode.

    A sample is of high quality within three standard deviations of a mode (Srivastava et al.
    2017). Those authors call a mode found when it has one such sample; here it must have a tenth
    of its due, so that the answer does not depend on a few strays or on N.

    Args:
        samples: Points of the plane (N, 2), on any device.
        distribution: A distribution with modes, for example ``data.ring()``.
        min_share: A mode is found if its high-quality samples are at least this share of
            ``N / n_modes``, and at least one.

    Returns:
        The coverage.

    Raises:
        ValueError: If there are fewer than ten samples a mode, or they are no points of the plane,
            or a coordinate is NaN, or ``min_share`` is not between 0 and 1.
    """
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share must lie between 0 and 1, got {min_share}.")
    n_modes = distribution.n_modes
    points = as_samples(samples, "samples").cpu()
    if points.shape[1:] != (2,):
        raise ValueError(
            f"samples must be points of the plane, of shape (N, 2), got {tuple(points.shape)}."
        )
    require_samples(points, 10 * n_modes, "samples", f"ten a mode for {n_modes} modes")
    good = distribution.is_high_quality(points)
    counts = torch.bincount(distribution.assign_modes(points[good]), minlength=n_modes)
    n_good = int(counts.sum())
    shares = counts.double() / max(1, n_good)
    needed = max(1, math.ceil(min_share * len(points) / n_modes))
    return ModeCoverage(
        n_samples=len(points),
        n_modes=n_modes,
        n_found=int((counts >= needed).sum()),
        share_high_quality=n_good / len(points),
        shares=tuple(shares.tolist()),
        kl_to_uniform=kl_to_uniform(shares) if n_good else math.inf,
    )
