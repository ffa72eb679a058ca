"""Copied or new? Nearest neighbours of generated samples among the training samples.

A generator that has learned by heart makes perfect samples, and every distance between
distributions praises it. Its samples lie closer to the training data than new real data do, and
that can be measured (Meehan et al. 2020).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import (
    Samples,
    as_samples,
    on_one_device,
    require_same_range,
    require_same_shape,
    require_samples,
)
from aigc_tutorial.evaluation.distances import nearest
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of N queries.

    Attributes:
        distances: Euclidean distances, ascending along the second axis; float64 if one of the sets
            is, otherwise float32.
        indices: Rows of the reference that they belong to.
    """

    distances: Float[Tensor, "N k"]
    indices: Int64[Tensor, "N k"]


def nearest_neighbours(
    queries: Samples,
    reference: Samples,
    k: int = 1,
    *,
    batch_size: int = 500,
) -> Neighbours:
    """Find the k rows of the reference nearest to each query, exactly.

    A matrix product in float32 finds candidates; its error is bounded, and the differences
    themselves, in float64, decide. Data that a product cannot tell apart, groups of near rows far
    from each other, are compared by their differences alone, which takes longer.

    Args:
        queries: Images (N, C, H, W) or features, one a row, on any device. What is in a row is
            flattened.
        reference: Rows of the same shape, in the same range. If one of the sets is on an
            accelerator, distances are computed there.
        k: Number of neighbours.
        batch_size: Queries compared at a time; batch_size × M distances are in memory.

    Returns:
        Distances and indices, nearest first, on the CPU.

    Raises:
        ValueError: If there are fewer than k rows in the reference, no query, rows of different
            shapes, images of two ranges, or NaN.
    """
    k, batch_size = as_count(k, "k"), as_count(batch_size, "batch_size")
    x, r = as_samples(queries, "queries"), as_samples(reference, "reference")
    require_same_shape(x, r, "queries", "reference")
    require_same_range(x, r, "queries", "reference")
    require_samples(r, k, "reference", "that many neighbours are asked for (k)")
    x, r = on_one_device(x.flatten(1), r.flatten(1))
    distances, indices = nearest(x, r, k, batch_size)
    return Neighbours(distances.to(torch.promote_types(x.dtype, r.dtype)).cpu(), indices.cpu())


@dataclass(frozen=True)
class CopyReport:
    """Whether generated samples lie closer to the training samples than new real ones do.

    Attributes:
        n_generated: Number of generated samples.
        n_held_out: Number of held-out real samples.
        n_training: Number of training samples.
        quantile: Share of the held-out samples that lie nearer than ``threshold``.
        threshold: The distance below which a sample is suspicious.
        share_suspicious: Share of the generated samples nearer than the threshold. About
            ``quantile`` for a generator that draws from the data's distribution.
        probability_nearer: Probability that a random generated sample is nearer to the training
            set than a random held-out sample. 0.5 if they are equally near; near 1 for copies.
        neighbours: Nearest training sample of each generated one.
        suspicious: Indices of the suspicious generated samples, nearest first.
    """

    n_generated: int
    n_held_out: int
    n_training: int
    quantile: float
    threshold: float
    share_suspicious: float
    probability_nearer: float
    neighbours: Neighbours
    suspicious: Int64[Tensor, " S"]

    def __str__(self) -> str:
        """The finding in two sentences."""
        return (
            f"{self.share_suspicious:.2%} of {self.n_generated:,} generated samples lie nearer to "
            f"one of {self.n_training:,} training samples than {self.quantile:.2%} of "
            f"{self.n_held_out:,} held-out real samples do (distance {self.threshold:.4g}). "
            f"A generated sample is nearer than a held-out one with probability "
            f"{self.probability_nearer:.2f} (0.5: no difference)."
        )


def copy_report(
    generated: Samples,
    training: Samples,
    held_out: Samples,
    *,
    quantile: float = 0.01,
) -> CopyReport:
    """Compare distances generated → training with distances held-out real → training.

    Blurred or empty images are near to everything in pixels: many suspicious samples are a reason
    to look at them beside their neighbours, not yet a proof of copying.

    Args:
        generated: Generated images (N, C, H, W) or features, one a row, on any device.
        training: What the generator was trained on.
        held_out: Real samples that it was not trained on.
        quantile: Share of the held-out samples that sets the threshold.

    Returns:
        The comparison, with each generated sample's nearest training sample.

    Raises:
        ValueError: If there are fewer than ``1 / quantile`` held-out samples (the quantile would
            rest on less than one of them), if so many of them are training samples too that the
            threshold would be 0, or shapes or ranges differ, or there is NaN.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}.")
    fake, real = as_samples(generated, "generated"), as_samples(training, "training")
    new = as_samples(held_out, "held_out")
    for x, name in ((fake, "generated"), (new, "held_out")):
        require_same_shape(x, real, name, "training")
        require_same_range(x, real, name, "training")
    require_samples(
        new,
        round(1 / quantile),
        "held_out",
        f"the quantile {quantile} has to rest on at least one sample",
    )
    found = nearest_neighbours(fake, real)
    distances = found.distances[:, 0].double()
    distances_real = nearest_neighbours(new, real).distances[:, 0].double().sort().values
    threshold = torch.quantile(distances_real, quantile)
    if threshold == 0:
        n_equal = int((distances_real == 0).sum())
        raise ValueError(
            f"{n_equal} of {len(new)} held_out samples are equal to one in training, so that a "
            f"quantile of {quantile} sets the threshold to 0, and no copy lies below it. Leave "
            "them out of held_out, or choose a larger quantile."
        )
    order = distances.argsort()
    suspicious = order[distances[order] < threshold]
    # Mann-Whitney's U over the number of pairs; ties count one half.
    n_below = torch.searchsorted(distances_real, distances, right=False)
    n_not_above = torch.searchsorted(distances_real, distances, right=True)
    n_farther = len(distances_real) - (n_below + n_not_above).double() / 2
    return CopyReport(
        n_generated=len(fake),
        n_held_out=len(new),
        n_training=len(real),
        quantile=quantile,
        threshold=threshold.item(),
        share_suspicious=len(suspicious) / len(fake),
        probability_nearer=(n_farther.mean() / len(distances_real)).item(),
        neighbours=found,
        suspicious=suspicious,
    )
