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

from aigc_tutorial.data.checks import (
    Samples,
    as_samples,
    as_tensor,
    require_finite,
    require_same_shape,
    require_vectors,
)

_ROWS_AT_A_TIME = 4096


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

    def __post_init__(self) -> None:
        """Take both from arrays and lists too, as others' statistics are stored.

        Raises:
            TypeError: if one is no tensor, array or list.
            ValueError: if they are no mean and covariance of as many features.
        """
        for name in ("mean", "covariance"):
            values = as_tensor(getattr(self, name), name)
            object.__setattr__(self, name, values.cpu().double())
        n = self.mean.numel()
        if self.mean.shape != (n,) or self.covariance.shape != (n, n):
            raise ValueError(
                "statistics are a mean of shape (F,) and a covariance of shape (F, F), got "
                f"{tuple(self.mean.shape)} and {tuple(self.covariance.shape)}"
            )


def feature_statistics(features: Samples) -> FeatureStatistics:
    """Mean and covariance of features, computed in float64 on the CPU.

    Args:
        features: One sample a row (N, F), of any floating point type, on any device.

    Returns:
        The statistics, on the CPU.

    Raises:
        ValueError: If N does not exceed F (the covariance would be singular, and the distance
            would measure the number of samples), or an entry is NaN or infinite.
    """
    features = as_samples(features, "features")
    require_vectors(features, "features")
    require_enough_samples(len(features), features.shape[1], "features")
    # To the CPU before float64, which not every accelerator has; a part at a time, since the
    # copies would be several times the features.
    parts = features.split(_ROWS_AT_A_TIME)
    zero = torch.zeros((), dtype=torch.float64, device="cpu")
    mean = sum((part.cpu().double().sum(dim=0) for part in parts), zero) / len(features)
    scatter = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64, device="cpu")
    for part in parts:
        centred = part.cpu().double() - mean
        scatter.addmm_(centred.T, centred)
    return FeatureStatistics(mean, scatter / (len(features) - 1), len(features))


def require_enough_samples(n_samples: int, n_features: int, name: str) -> None:
    """Refuse so few samples that the covariance of their features is singular.

    Args:
        n_samples: N, the number of samples.
        n_features: F, the size of a feature vector.
        name: What to call the set in the message.

    Raises:
        ValueError: If N does not exceed F.
    """
    if n_samples <= n_features:
        raise ValueError(
            f"{name}: got {n_samples} samples, need at least {n_features + 1}: the number of "
            f"samples must exceed the {n_features} features, otherwise their covariance is "
            "singular. Ten thousand are usual."
        )


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
    require_same_shape(a.covariance, b.covariance, "a", "b")
    for statistics, name in ((a, "a"), (b, "b")):
        require_finite(statistics.mean, f"{name}.mean")
        require_finite(statistics.covariance, f"{name}.covariance")
    # Rounding moves eigenvalues near zero off the real line or below zero: real, then clamp.
    (mean_a, covariance_a), (mean_b, covariance_b) = (
        (statistics.mean.cpu().double(), statistics.covariance.cpu().double())
        for statistics in (a, b)
    )
    eigenvalues = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0)
    squared_shift = (mean_a - mean_b).square().sum()
    traces = covariance_a.trace() + covariance_b.trace()
    distance = squared_shift + traces - 2 * eigenvalues.sqrt().sum()
    return max(0.0, distance.item())
