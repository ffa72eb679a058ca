"""Precision and recall of a generator: are its samples real-looking, and are all kinds there?

A Fréchet distance says that something is wrong, not what. Precision is the share of generated
samples that lie where real ones are; recall is the share of real samples that lie where generated
ones are. Where a set *is* is estimated by balls around its samples, each reaching to its k-th
nearest neighbour (Kynkäänniemi et al. 2019).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.data.checks import (
    Samples,
    as_samples,
    on_one_device,
    require_same_shape,
    require_samples,
    require_vectors,
)
from aigc_tutorial.evaluation.distances import in_a_ball, nearest

_ROWS_AT_A_TIME = 500
"""Distances of so many samples to all of their set are in memory at once."""


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
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    real = as_samples(features_real, "features_real")
    fake = as_samples(features_fake, "features_fake")
    for features, name in ((real, "features_real"), (fake, "features_fake")):
        require_vectors(features, name)
        require_samples(features, k + 1, name, f"each needs {k} neighbours of its own set")
    require_same_shape(real, fake, "features_real", "features_fake")
    real, fake = on_one_device(real, fake)
    return PrecisionRecall(
        precision=_share_inside(fake, real, k), recall=_share_inside(real, fake, k)
    )


def _share_inside(queries: Float[Tensor, " N F"], support: Float[Tensor, " M F"], k: int) -> float:
    """Share of the queries that lie in at least one ball of the support."""
    # A sample's nearest is itself, so that its k-th neighbour comes as the (k + 1)-th.
    distances, _ = nearest(support, support, k + 1, _ROWS_AT_A_TIME)
    return in_a_ball(queries, support, distances[:, -1]).cpu().double().mean().item()
