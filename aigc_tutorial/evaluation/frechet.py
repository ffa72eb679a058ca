"""Fréchet distance between two sets of features.

Each set is summarised by a mean and a covariance, as if it were a Gaussian; the distance is the
squared Wasserstein-2 distance of the two Gaussians (Dowson & Landau 1982, Heusel et al. 2017):

    d² = |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

With the features of an Inception network it is called FID. With the digit features of this package
it is the *digit-feature Fréchet distance*: the formula is the same, the scale is another, and the
numbers of the two cannot be compared.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.evaluation._checks import (
    require_finite,
    require_same_width,
    require_samples,
)


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and covariance of a set of features.

    Attributes:
        mean: Mean, float64.
        covariance: Unbiased covariance (divided by N - 1), float64.
        n_samples: Number N of samples that they were computed from.
    """

    mean: Float[Tensor, " F"]
    covariance: Float[Tensor, "F F"]
    n_samples: int


def feature_statistics(features: Float[Tensor, "N F"]) -> FeatureStatistics:
    """Mean and covariance of features, computed in float64.

    Args:
        features: One sample a row, of any floating point type.

    Returns:
        The statistics, on the device of the features.

    Raises:
        ValueError: If N does not exceed F (the covariance would be singular, and the distance
            would measure the number of samples), or an entry is NaN or infinite.
    """
    n_features = features.shape[1]
    require_samples(
        features,
        n_features + 1,
        "features",
        f"the number of samples must exceed the {n_features} features, otherwise their covariance "
        "is singular. Ten thousand are usual",
    )
    require_finite(features, "features")
    features = features.double()
    mean = features.mean(dim=0)
    centred = features - mean
    return FeatureStatistics(mean, centred.T @ centred / (len(features) - 1), len(features))


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Fréchet distance of two Gaussians with these means and covariances.

    The trace of the square root of Σ₁Σ₂ is the sum of the square roots of its eigenvalues, which
    are real and not negative since Σ₁Σ₂ is similar to Σ₁^½ Σ₂ Σ₁^½. No matrix root is needed.

    The distance is biased: it falls as the number of samples grows. Compare two numbers only when
    both were computed from equally many samples (Bińkowski et al. 2018).

    Args:
        a: Statistics of one set.
        b: Statistics of the other, from the same feature extractor.

    Returns:
        The squared distance; 0 if the statistics are equal.

    Raises:
        ValueError: If the statistics have different numbers of features or hold NaN.
    """
    require_same_width(a.covariance, b.covariance, "a", "b")
    for statistics, name in ((a, "a"), (b, "b")):
        require_finite(statistics.mean, f"{name}.mean")
        require_finite(statistics.covariance, f"{name}.covariance")
    # Rounding moves eigenvalues near zero off the real line or below zero: real, then clamp.
    eigenvalues = torch.linalg.eigvals(a.covariance @ b.covariance).real.clamp(min=0)
    squared_shift = (a.mean - b.mean).square().sum()
    traces = a.covariance.trace() + b.covariance.trace()
    distance = squared_shift + traces - 2 * eigenvalues.sqrt().sum()
    return max(0.0, distance.item())
