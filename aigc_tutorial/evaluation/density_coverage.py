"""Density and coverage of a generator: precision and recall that one stray sample cannot spoil.

Both draw balls around *real* samples alone, each reaching to its k-th nearest real neighbour.
Density counts in how many of them a generated sample lies, coverage how many of them hold a
generated sample (Naeem et al. 2020).
"""

from dataclasses import dataclass

from aigc_tutorial.data.checks import Samples, as_feature_sets, on_one_device, require_samples
from aigc_tutorial.evaluation.distances import (
    QUERIES_AT_A_TIME,
    balls_around,
    nearest,
    neighbour_radii,
)
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class DensityCoverage:
    """Density and coverage of a set of generated samples.

    Attributes:
        density: Mean number of real balls around a generated sample, over k. 1 on average for
            equal distributions; 0 if no sample is near a real one; above 1 if the samples keep to
            where real ones are dense.
        coverage: Share of the real balls that hold a generated sample, from 0 to 1.
    """

    density: float
    coverage: float


def density_coverage(features_real: Samples, features_fake: Samples, k: int = 5) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020).

    A ball around a generated sample counts for nothing, so that a stray one cannot claim the real
    samples within its reach; and a real outlier's large ball is one among many in the density, and
    one in the coverage. Both have known means if N real and M generated samples are of one
    distribution without ties: the density 1, the coverage

        1 - (N - 1) ⋯ (N - k) / ((N + M - 1) ⋯ (N + M - k)),

    which is about 1 - 2⁻ᵏ for N = M. Compare only what was computed from the same N and M.

    Args:
        features_real: Features of real samples (N, F), on any device.
        features_fake: Features of generated samples (M, F), from the same extractor. If one of
            the sets is on an accelerator, distances are computed there.
        k: The radius of a ball is the distance to the k-th nearest real neighbour.

    Returns:
        Density and coverage.

    Raises:
        ValueError: If a real sample has no k-th neighbour (fewer than k + 1 samples), there is no
            generated sample, the widths differ, or there is NaN.
    """
    k = as_count(k, "k")
    real, fake = as_feature_sets(features_real, features_fake)
    require_samples(real, k + 1, "features_real", f"each needs {k} neighbours of its own set")
    real, fake = on_one_device(real, fake)
    radii = neighbour_radii(real, k)
    to_fake = nearest(real, fake, 1, QUERIES_AT_A_TIME)[0][:, 0]
    return DensityCoverage(
        density=balls_around(fake, real, radii).cpu().double().mean().item() / k,
        coverage=(to_fake <= radii).cpu().double().mean().item(),
    )
