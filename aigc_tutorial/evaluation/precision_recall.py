"""Precision and recall of a generator: are its samples real-looking, and are all kinds there?

A Fréchet distance says that something is wrong, not what. Precision is the share of generated
samples that lie where real ones are; recall is the share of real samples that lie where generated
ones are. Where a set *is* is estimated by balls around its samples, each reaching to its k-th
nearest neighbour (Kynkäänniemi et al. 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
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

_ROWS_AT_A_TIME = 2048
"""Distances are computed in blocks of so many rows by so many: 16 MiB, whatever N and M are."""


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
    real, fake = on_one_device(real.float(), fake.float())
    # Distances do not change when both sets are moved; small numbers lose fewer digits.
    centre = real.mean(dim=0)
    real, fake = real - centre, fake - centre
    return PrecisionRecall(
        precision=_share_inside(fake, real, k), recall=_share_inside(real, fake, k)
    )


def _share_inside(queries: Float[Tensor, " N F"], support: Float[Tensor, " M F"], k: int) -> float:
    """Share of the queries that lie in at least one ball of the support."""
    blocks = support.split(_ROWS_AT_A_TIME)
    radii = [_distances_to_kth(block, blocks, k) for block in blocks]
    n_inside = 0
    for x in queries.split(_ROWS_AT_A_TIME):
        inside = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for block, radius in zip(blocks, radii, strict=True):
            inside |= (torch.cdist(x, block) <= radius).any(dim=1)
        n_inside += int(inside.sum())
    return n_inside / len(queries)


def _distances_to_kth(
    x: Float[Tensor, " N F"], blocks: Sequence[Float[Tensor, " _ F"]], k: int
) -> Float[Tensor, " N"]:
    """Distance of each sample to its k-th neighbour in its own set, given in blocks."""
    nearest = x.new_full((len(x), k + 1), torch.inf)
    for block in blocks:
        found = torch.cat([nearest, torch.cdist(x, block)], dim=1)
        nearest = found.topk(k + 1, dim=1, largest=False).values
    # A sample's nearest is itself, so that its k-th neighbour comes as the (k + 1)-th.
    return nearest[:, -1]
