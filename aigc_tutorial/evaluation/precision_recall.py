"""Precision and recall of a generator: are its samples real-looking, and are all kinds there?

A Fréchet distance says that something is wrong, not what. Precision is the share of generated
samples that lie where real ones are; recall is the share of real samples that lie where generated
ones are. Where a set *is* is estimated by balls around its samples, each reaching to its k-th
nearest neighbour (Kynkäänniemi et al. 2019).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.data.checks import Samples, as_feature_sets, on_one_device, require_samples
from aigc_tutorial.evaluation.distances import in_a_ball, neighbour_radii
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of a set of generated samples.

    Attributes:
        precision: Share of the generated samples inside the real set, from 0 to 1.
        recall: Share of the real samples inside the generated set, from 0 to 1.
    """

    precision: float
    recall: float


def precision_recall(features_real: Samples, features_fake: Samples, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2).

    Both depend on the number of samples. Use as many real as generated ones, and the same number
    in every comparison. For equal distributions they are clearly below 1: a ball around one sample
    does not fill its surroundings.

    Args:
        features_real: Features of real samples (N, F), on any device.
        features_fake: Features of generated samples (M, F), from the same extractor. If one of
            the sets is on an accelerator, distances are computed there.
        k: The radius of a ball is the distance to the k-th nearest neighbour of its own set.

    Returns:
        Precision and recall.

    Raises:
        ValueError: If a set has no k-th neighbour (fewer than k + 1 samples), the widths differ,
            or there is NaN.
    """
    k = as_count(k, "k")
    real, fake = as_feature_sets(features_real, features_fake)
    for features, name in ((real, "features_real"), (fake, "features_fake")):
        require_samples(features, k + 1, name, f"each needs {k} neighbours of its own set")
    real, fake = on_one_device(real, fake)
    return PrecisionRecall(
        precision=_share_inside(fake, real, k), recall=_share_inside(real, fake, k)
    )


def _share_inside(queries: Float[Tensor, " N F"], support: Float[Tensor, " M F"], k: int) -> float:
    """Share of the queries that lie in at least one ball of the support."""
    inside = in_a_ball(queries, support, neighbour_radii(support, k))
    return inside.cpu().double().mean().item()
