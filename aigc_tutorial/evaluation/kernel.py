"""Kernel distance: the squared maximum mean discrepancy of two sets of features.

Unlike the Fréchet distance it is unbiased and assumes no Gaussian, so it can be used with a few
hundred samples (Bińkowski et al. 2018, who call it KID when the features are an Inception
network's).
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from aigc_tutorial.data.checks import Samples, as_feature_sets, require_rng, require_samples
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn.mode import default_generators

_ROWS_AT_A_TIME = 1024


@dataclass(frozen=True)
class KernelDistance:
    """Kernel distance over random subsets.

    Attributes:
        mean: Mean of the unbiased estimates; near 0, and then also below, for equal distributions.
        std: Standard deviation of the estimates over the subsets. It says how much one subset
            scatters and is not the standard error of the mean.
        n_subsets: Number of subsets.
        subset_size: Samples of either set in one subset.
    """

    mean: float
    std: float
    n_subsets: int
    subset_size: int

    def __str__(self) -> str:
        """Mean and scatter in one line."""
        return f"{self.mean:.4g} ± {self.std:.2g} ({self.n_subsets} subsets of {self.subset_size})"


def kernel_distance(
    features_real: Samples,
    features_fake: Samples,
    *,
    rng: torch.Generator,
    n_subsets: int = 100,
    subset_size: int = 1000,
) -> KernelDistance:
    """Mean of the squared MMD over random subsets, with the cubic kernel, through torchmetrics.

    Args:
        features_real: Features of one set (N, F), on any device.
        features_fake: Features of the other (M, F), from the same extractor.
        rng: Source of randomness for the choice of the subsets.
        n_subsets: Number of subsets.
        subset_size: Samples drawn from either set, without replacement within a subset.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        ValueError: If a set has fewer samples than a subset, if a subset has fewer than two, if
            the features have different widths, or if one of them is NaN, infinite or beyond 1e50.
        MissingDependencyError: If torchmetrics is not installed.
    """
    require_rng(rng)
    subset_size = as_count(subset_size, "subset_size (of an unbiased sum)", at_least=2)
    n_subsets = as_count(n_subsets, "n_subsets")
    real, fake = as_feature_sets(features_real, features_fake)
    for features, name in ((real, "features_real"), (fake, "features_fake")):
        require_samples(features, subset_size, name, "that is one subset (subset_size)")
    kid = require("torchmetrics.image.kid", extra="book")
    # On the CPU whatever torch's default device is: torchmetrics makes what it needs there.
    with torch.device("cpu"), warnings.catch_warnings():
        # The features are in memory already; torchmetrics warns that it will keep them there.
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        metric = kid.KernelInceptionDistance(
            feature=nn.Identity(), subsets=n_subsets, subset_size=subset_size
        )
    metric.update(real.cpu().double(), real=True)
    metric.update(fake.cpu().double(), real=False)
    # torchmetrics draws from the global generator: lend it a state taken from ours.
    seed = torch.randint(2**62, (), generator=rng, device=rng.device).item()
    with default_generators, torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(int(seed))
        mean, std = metric.compute()
    _require_finite(mean)
    return KernelDistance(mean.item(), std.item(), n_subsets, subset_size)


def squared_mmd(features_real: Samples, features_fake: Samples) -> Float64[Tensor, ""]:
    """Unbiased estimate of the squared MMD with the kernel k(x, y) = (x·y / F + 1)³.

    With N real and M generated samples (Gretton et al. 2012, equation 3):

        MMD² = mean of k(xᵢ, xⱼ), i ≠ j + mean of k(yᵢ, yⱼ), i ≠ j - 2 · mean of k(xᵢ, yⱼ)

    Args:
        features_real: Features x of one set (N, F), on any device.
        features_fake: Features y of the other (M, F).

    Returns:
        The estimate, float64, on the CPU and without gradient. Its expectation is 0 for equal
        distributions; single values can be negative.

    Raises:
        ValueError: If a set has fewer than two samples, if the features have different widths, or
            if one of them is NaN, infinite or beyond 1e50.
    """
    x, y = as_feature_sets(features_real, features_fake)
    require_samples(x, 2, "features_real", "pairs of different samples are averaged")
    require_samples(y, 2, "features_fake", "pairs of different samples are averaged")
    x, y = x.cpu(), y.cpu()
    n, m = len(x), len(y)
    within_x = (_sum_of_kernel(x, x) - _sum_over_own(x)) / (n * (n - 1))
    within_y = (_sum_of_kernel(y, y) - _sum_over_own(y)) / (m * (m - 1))
    return _require_finite(within_x + within_y - 2 * _sum_of_kernel(x, y) / (n * m))


def _require_finite(distance: Tensor) -> Tensor:
    if not distance.isfinite():
        raise ValueError(
            "The cubes of the features' products are beyond what float64 holds. Divide both sets "
            "by one number."
        )
    return distance


def _sum_of_kernel(x: Float[Tensor, " N F"], y: Float[Tensor, " M F"]) -> Float64[Tensor, ""]:
    """Sum of k over all pairs, a block of them at a time: N x M numbers need not fit."""
    total = torch.zeros((), dtype=torch.float64, device="cpu")
    for a in x.split(_ROWS_AT_A_TIME):
        for b in y.split(_ROWS_AT_A_TIME):
            total += ((a.double() @ b.double().T / x.shape[1] + 1) ** 3).sum()
    return total


def _sum_over_own(x: Float[Tensor, " N F"]) -> Float64[Tensor, ""]:
    """Sum of k(x, x) over the samples."""
    total = torch.zeros((), dtype=torch.float64, device="cpu")
    for part in x.split(_ROWS_AT_A_TIME):
        total += ((part.double().square().sum(dim=1) / x.shape[1] + 1) ** 3).sum()
    return total
