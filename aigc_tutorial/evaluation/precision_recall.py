"""Precision and recall of a generator: are its samples real-looking, and are all kinds there?

A Fréchet distance says that something is wrong, not what. Precision is the share of generated
samples that lie where real ones are; recall is the share of real samples that lie where generated
ones are. Where a set *is* is estimated by balls around its samples, each reaching to its k-th
nearest neighbour (Kynkäänniemi et al. 2019).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.evaluation._checks import require_finite, require_same_width, require_samples


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of a set of generated samples.

    Attributes:
        precision: Share of the generated samples inside the real set, from 0 to 1.
        recall: Share of the real samples inside the generated set, from 0 to 1.
    """

    precision: float
    recall: float


def precision_recall(
    features_real: Float[Tensor, "N F"], features_fake: Float[Tensor, "M F"], k: int = 3
) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2).

    Both depend on the number of samples. Use as many real as generated ones, and the same number
    in every comparison. For equal distributions they are clearly below 1: a ball around one sample
    does not fill its surroundings.

    Args:
        features_real: Features of real samples.
        features_fake: Features of generated samples, from the same extractor.
        k: The radius of a ball is the distance to the k-th nearest neighbour of its own set.

    Returns:
        Precision and recall.

    Raises:
        ValueError: If a set has no k-th neighbour (fewer than k + 1 samples), the widths differ,
            or there is NaN.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    require_same_width(features_real, features_fake, "features_real", "features_fake")
    for features, name in ((features_real, "features_real"), (features_fake, "features_fake")):
        require_samples(features, k + 1, name, f"each needs {k} neighbours of its own set")
        require_finite(features, name)
    # Distances do not change when both sets are moved; small numbers lose fewer digits.
    centre = features_real.float().mean(dim=0)
    real, fake = features_real.float() - centre, features_fake.float() - centre
    return PrecisionRecall(
        precision=_inside(fake, real, k).double().mean().item(),
        recall=_inside(real, fake, k).double().mean().item(),
    )


def _inside(
    queries: Float[Tensor, "N F"], support: Float[Tensor, "M F"], k: int, batch_size: int = 1000
) -> Bool[Tensor, " N"]:
    """Which queries lie in at least one ball of the support."""
    radii = torch.cat(
        # A sample's nearest is itself, so that its k-th neighbour comes as the (k + 1)-th.
        [
            torch.cdist(x, support).topk(k + 1, dim=1, largest=False).values[:, -1]
            for x in support.split(batch_size)
        ]
    )
    return torch.cat(
        [(torch.cdist(x, support) <= radii).any(dim=1) for x in queries.split(batch_size)]
    )
