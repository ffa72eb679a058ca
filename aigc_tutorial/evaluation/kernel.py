"""Kernel distance: the squared maximum mean discrepancy of two sets of features.

Unlike the Fréchet distance it is unbiased and assumes no Gaussian, so it can be used with a few
hundred samples (Bińkowski et al. 2018, who call it KID when the features are an Inception
network's).
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.environment import require
from aigc_tutorial.evaluation._checks import require_finite, require_same_width, require_samples


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
    features_real: Float[Tensor, "N F"],
    features_fake: Float[Tensor, "M F"],
    *,
    generator: torch.Generator,
    n_subsets: int = 100,
    subset_size: int = 1000,
) -> KernelDistance:
    """Mean of the squared MMD over random subsets, with the cubic kernel, through torchmetrics.

    Args:
        features_real: Features of one set.
        features_fake: Features of the other, from the same extractor.
        generator: Source of randomness for the choice of the subsets.
        n_subsets: Number of subsets.
        subset_size: Samples drawn from either set, without replacement within a subset.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        ValueError: If a set has fewer samples than a subset, if a subset has fewer than two, if
            the features have different widths, or if one of them is NaN or infinite.
        MissingDependencyError: If torchmetrics is not installed.
    """
    if subset_size < 2:
        raise ValueError(f"subset_size must be at least 2 for an unbiased sum, got {subset_size}.")
    require_same_width(features_real, features_fake, "features_real", "features_fake")
    for features, name in ((features_real, "features_real"), (features_fake, "features_fake")):
        require_samples(features, subset_size, name, "that is one subset (subset_size)")
        require_finite(features, name)
    kid = require("torchmetrics.image.kid", extra="book")
    with warnings.catch_warnings():
        # The features are in memory already; torchmetrics warns that it will keep them there.
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        metric = kid.KernelInceptionDistance(
            feature=nn.Identity(), subsets=n_subsets, subset_size=subset_size
        )
    metric.update(features_real.double().cpu(), real=True)
    metric.update(features_fake.double().cpu(), real=False)
    # torchmetrics draws from the global generator: lend it a state taken from ours.
    seed = torch.randint(2**62, (), generator=generator, device=generator.device).item()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        mean, std = metric.compute()
    return KernelDistance(mean.item(), std.item(), n_subsets, subset_size)


def squared_mmd(
    features_real: Float[Tensor, "N F"], features_fake: Float[Tensor, "M F"]
) -> Float[Tensor, ""]:
    """Unbiased estimate of the squared MMD with the kernel k(x, y) = (x·y / F + 1)³.

    With N real and M generated samples (Gretton et al. 2012, equation 3):

        MMD² = mean of k(xᵢ, xⱼ), i ≠ j + mean of k(yᵢ, yⱼ), i ≠ j - 2 · mean of k(xᵢ, yⱼ)

    Args:
        features_real: Features x of one set.
        features_fake: Features y of the other.

    Returns:
        The estimate, float64. Its expectation is 0 for equal distributions; single values can be
        negative.

    Raises:
        ValueError: If a set has fewer than two samples.
    """
    require_same_width(features_real, features_fake, "features_real", "features_fake")
    require_samples(features_real, 2, "features_real", "pairs of different samples are averaged")
    require_samples(features_fake, 2, "features_fake", "pairs of different samples are averaged")
    x, y = features_real.double(), features_fake.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mean_of_pairs(k: Tensor) -> Tensor:
        return (k.sum() - k.trace()) / (len(k) * (len(k) - 1))

    return mean_of_pairs(kernel(x, x)) + mean_of_pairs(kernel(y, y)) - 2 * kernel(x, y).mean()
