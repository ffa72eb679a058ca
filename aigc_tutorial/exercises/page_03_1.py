"""Exercises of the overview of the algorithms."""

import math
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "03_1_overview"


def _pairs_of_bins(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n, width in ((5, 0.1), (3, 2.0)):
        yield (
            torch.rand(n, generator=rng).log(),
            torch.rand(n, generator=rng).log(),
            width,
        )


@exercise(
    "density-from-bins",
    page=PAGE,
    level="warm-up",
    cases=_pairs_of_bins,
    hint="add the logarithms of both factors, then spread the probability over the area w².",
    remark="A density may be above 1, and so -log p may be negative. A probability may not.",
    mistakes=[
        Mistake(
            lambda log_p1, log_p2, width: log_p1 + log_p2,
            "that is the probability of the pair of bins; the density is that per unit of area.",
        ),
        Mistake(
            lambda log_p1, log_p2, width: log_p1 + log_p2 + 2 * math.log(width),
            "dividing by the area means subtracting its logarithm.",
        ),
        Mistake(
            lambda log_p1, log_p2, width: log_p1 + log_p2 - math.log(width),
            "there are two coordinates: the area of a pair of bins is w times w.",
        ),
    ],
)
def density_from_bins(
    log_p1: Float[Tensor, " N"], log_p2: Float[Tensor, " N"], width: float
) -> Float[Tensor, " N"]:
    """Logarithm of the density at N points of the plane, from those of their bins.

    ``log_p1`` is log P(b1), ``log_p2`` is log P(b2 | b1), and every bin is ``width`` wide.
    """
    return log_p1 + log_p2 - 2 * math.log(width)


def _histograms(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_bins, width in ((4, 0.5), (8, 0.25)):
        density = torch.rand(n_bins * 10, generator=rng, dtype=torch.float64)
        yield density / (density.sum() * width / 10), n_bins, width


def _difference_of_maxima(density: Tensor, n_bins: int, width: float) -> float:
    means = density.reshape(n_bins, -1).mean(dim=1)
    return float(density.max().log() - means.max().log())


@exercise(
    "cost-of-bins",
    page=PAGE,
    level="core",
    cases=_histograms,
    hint="the best model of the bins is the mean of the density in each; compare both under p.",
    remark="It is a divergence, so it is never negative. Finer bins lower it; they also leave less "
    "data to each.",
    mistakes=[
        Mistake(
            _difference_of_maxima,
            "the cost is a mean over all points, weighted by how often they occur.",
        ),
    ],
)
def cost_of_bins(density: Float[Tensor, " N"], n_bins: int, width: float) -> float:
    """Nats by which the best model that is constant in each bin lies above the entropy.

    ``density`` is p at N equally spaced places of the line, as many in each of the ``n_bins`` bins
    one after the other; a bin is ``width`` wide, and p is positive and integrates to 1.
    """
    in_bins = density.reshape(n_bins, -1)
    best = in_bins.mean(dim=1, keepdim=True)
    step = width / in_bins.shape[1]
    return float((in_bins * (in_bins.log() - best.log())).sum() * step)


def _timings(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    lengths = [10.0, 20.0, 40.0, 80.0]
    yield lengths, [0.3 * n for n in lengths]
    yield lengths, [0.01 * n**2 for n in lengths]
    yield lengths, [5.0 for _ in lengths]
    yield lengths, [1.0, 1.1, 1.5, 4.0]  # flat at first: only the two ends count


@exercise(
    "growth-exponent",
    page=PAGE,
    level="core",
    cases=_timings,
    hint="if the cost is a·dᵏ, its logarithm is a straight line in log d, and k is the slope.",
    remark="Fit it where the curve is straight. Where a fixed cost rules, it means nothing.",
    mistakes=[
        Mistake(
            lambda lengths, seconds: (seconds[-1] - seconds[0]) / (lengths[-1] - lengths[0]),
            "that is the slope of the cost itself; take logarithms of both.",
        ),
        Mistake(
            lambda lengths, seconds: (
                math.log(seconds[1] / seconds[0]) / math.log(lengths[1] / lengths[0])
            ),
            "that is the slope from the first point to the second; take the first and the last.",
        ),
        Mistake(
            lambda lengths, seconds: (
                math.log(seconds[-1] / seconds[-2]) / math.log(lengths[-1] / lengths[-2])
            ),
            "that is the slope between the last two points; take the first and the last.",
        ),
        Mistake(
            lambda lengths, seconds: (
                statistics.linear_regression(
                    [math.log(n) for n in lengths], [math.log(s) for s in seconds]
                ).slope
            ),
            "that is the line of least squares through all points; take the first and the last.",
        ),
    ],
)
def growth_exponent(lengths: list[float], seconds: list[float]) -> float:
    """Exponent k of a cost that grows like the length to the power k.

    Take the slope of the straight line from the first to the last point, both axes logarithmic.
    """
    return math.log(seconds[-1] / seconds[0]) / math.log(lengths[-1] / lengths[0])


def _samples_and_points(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_samples, n_points, width in ((7, 5, 0.5), (40, 3, 0.1), (3, 4, 2.0)):
        samples = torch.randn(n_samples, 2, generator=rng, dtype=torch.float64)
        yield samples, torch.randn(n_points, 2, generator=rng, dtype=torch.float64), width
    far = torch.tensor([[60.0, 0.0]], dtype=torch.float64)
    yield torch.zeros(2, 2, dtype=torch.float64), far, 1.0


def _log_bumps(samples: Tensor, points: Tensor, width: float) -> Tensor:
    """Log density of each point under the bump on each sample, shape (M, N)."""
    squares = (points[:, None] - samples[None]).square().sum(dim=2)
    return -squares / (2 * width**2) - math.log(2 * math.pi * width**2)


@exercise(
    "parzen-window",
    page=PAGE,
    level="research",
    cases=_samples_and_points,
    hint="the density is the mean of the bumps, so its logarithm is torch.logsumexp of theirs less "
    "the logarithm of their number.",
    remark="Apply it to the GAN's points of this page, with several widths. The number depends on "
    "the width as much as on the GAN: Theis et al. show how such estimates mislead.",
    mistakes=[
        Mistake(
            lambda samples, points, width: _log_bumps(samples, points, width).mean(dim=1),
            "that is the mean of logarithms; the density is a mean, and the logarithm comes last.",
        ),
        Mistake(
            lambda samples, points, width: _log_bumps(samples, points, width).logsumexp(dim=1),
            "the bumps must be averaged, not summed, or the density would not integrate to 1.",
        ),
        Mistake(
            lambda samples, points, width: _log_bumps(samples, points, width).exp().mean(1).log(),
            "far from all samples every bump is 0 in floating point; stay with logarithms.",
        ),
    ],
)
def parzen_log_density(
    samples: Float64[Tensor, "N 2"], points: Float64[Tensor, "M 2"], width: float
) -> Float64[Tensor, " M"]:
    """Logarithm of a density estimated from samples, at M points of the plane.

    Every sample carries a round Gaussian bump of standard deviation ``width``, and the density is
    the mean of the N bumps. It must be finite far from all samples too.
    """
    squares = (points[:, None] - samples[None]).square().sum(dim=2)
    log_bumps = -squares / (2 * width**2) - math.log(2 * math.pi * width**2)
    return log_bumps.logsumexp(dim=1) - math.log(len(samples))
