"""Copied or new? Nearest neighbours of generated samples among the training samples.

A generator that has learned by heart makes perfect samples, and every distance between
distributions praises it. Its samples lie closer to the training data than new real data do, and
that can be measured (Meehan et al. 2020).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.evaluation._checks import require_finite, require_same_width, require_samples


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of N queries.

    Attributes:
        distances: Euclidean distances, ascending along the second axis, float32.
        indices: Rows of the reference that they belong to.
    """

    distances: Float[Tensor, "N k"]
    indices: Int64[Tensor, "N k"]


def nearest_neighbours(
    queries: Float[Tensor, "N ..."],
    reference: Float[Tensor, "M ..."],
    k: int = 1,
    *,
    batch_size: int = 500,
) -> Neighbours:
    """Find the k rows of the reference nearest to each query, exactly.

    Args:
        queries: Images or features, one a row. What is in a row is flattened.
        reference: Rows of the same shape.
        k: Number of neighbours.
        batch_size: Queries compared at a time; batch_size × M distances are in memory.

    Returns:
        Distances and indices, nearest first.

    Raises:
        ValueError: If there are fewer than k rows in the reference, no query, rows of different
            shapes, or NaN.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    require_same_width(queries, reference, "queries", "reference")
    require_samples(queries, 1, "queries", "there is nothing to look up")
    require_samples(reference, k, "reference", "that many neighbours are asked for (k)")
    require_finite(queries, "queries")
    require_finite(reference, "reference")
    queries, reference = queries.flatten(1).float(), reference.flatten(1).float()
    half_squares = reference.square().sum(dim=1) / 2
    indices, distances = [], []
    for x in queries.split(batch_size):
        # |x - r|² / 2 orders like |r|² / 2 - x·r: one matrix product finds the neighbours.
        nearest = torch.addmm(half_squares, x, reference.T, alpha=-1)
        chosen = nearest.topk(k, dim=1, largest=False).indices
        # That form loses digits near zero, where copies are. Take the k differences themselves.
        exact = (x[:, None] - reference[chosen]).norm(dim=2)
        exact, order = exact.sort(dim=1)
        distances.append(exact)
        indices.append(chosen.gather(1, order))
    return Neighbours(torch.cat(distances), torch.cat(indices))


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
    generated: Float[Tensor, "N ..."],
    training: Float[Tensor, "M ..."],
    held_out: Float[Tensor, "L ..."],
    *,
    quantile: float = 0.01,
) -> CopyReport:
    """Compare distances generated → training with distances held-out real → training.

    Blurred or empty images are near to everything in pixels: many suspicious samples are a reason
    to look at them beside their neighbours, not yet a proof of copying.

    Args:
        generated: Generated images or features, one a row.
        training: What the generator was trained on.
        held_out: Real samples that it was not trained on.
        quantile: Share of the held-out samples that sets the threshold.

    Returns:
        The comparison, with each generated sample's nearest training sample.

    Raises:
        ValueError: If there are fewer than ``1 / quantile`` held-out samples (the quantile would
            rest on less than one of them), or shapes differ, or there is NaN.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}.")
    require_samples(
        held_out,
        round(1 / quantile),
        "held_out",
        f"the quantile {quantile} has to rest on at least one sample",
    )
    found = nearest_neighbours(generated, training)
    distances = found.distances[:, 0]
    distances_real = nearest_neighbours(held_out, training).distances[:, 0].sort().values
    threshold = torch.quantile(distances_real, quantile)
    order = distances.argsort()
    suspicious = order[distances[order] < threshold]
    # Mann-Whitney's U over the number of pairs; ties count one half.
    n_below = torch.searchsorted(distances_real, distances, right=False)
    n_not_above = torch.searchsorted(distances_real, distances, right=True)
    n_farther = len(distances_real) - (n_below + n_not_above).double() / 2
    return CopyReport(
        n_generated=len(generated),
        n_held_out=len(held_out),
        n_training=len(training),
        quantile=quantile,
        threshold=threshold.item(),
        share_suspicious=len(suspicious) / len(generated),
        probability_nearer=(n_farther.mean() / len(distances_real)).item(),
        neighbours=found,
        suspicious=suspicious,
    )
