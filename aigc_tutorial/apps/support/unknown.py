"""Noticing a message whose intent was never learned, by scores that are high for known ones."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.apps.support.checks import as_labels_of, require_numbers


def auroc(known: Float[Tensor, " N"], unknown: Float[Tensor, " M"]) -> float:
    """Probability that a known message has a higher score than an unknown one; ties count half.

    It is the area under the curve of the share of known messages that are kept against the share
    of unknown ones that are, over all thresholds: 1/2 for chance.

    Raises:
        ValueError: if one of the two has no message, or a score is not a number.
    """
    require_numbers(known, "scores of known messages", n_axes=1)
    require_numbers(unknown, "scores of unknown messages", n_axes=1)
    values = torch.cat([unknown, known]).double()
    _, place, n_equal = values.unique(return_inverse=True, return_counts=True)
    mean_rank = n_equal.cumsum(0) - (n_equal - 1) / 2  # of equal values, from 1
    rank_sum = float(mean_rank[place[len(unknown) :]].sum())
    n, m = len(known), len(unknown)
    return (rank_sum - n * (n + 1) / 2) / (n * m)


def largest_probability(logits: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Probability of the class that is named."""
    return logits.double().softmax(1).amax(1)


def energy(logits: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Logarithm of the summed exponentials of the logits (Liu et al. 2020, with their sign turned).

    Of logits that are log-probabilities it is 0 for every message, and useless.
    """
    return logits.double().logsumexp(1)


def nearness(
    train: Float[Tensor, "N D"],
    labels: Int64[Tensor, " N"],
    features: Float[Tensor, "M D"],
    *,
    shrinkage: float = 0.1,
) -> Float[Tensor, " M"]:
    """Minus the squared Mahalanobis distance to the nearest class mean (Lee et al. 2018).

    Args:
        train: features of the messages that were learned from.
        labels: their classes.
        features: of the messages in question.
        shrinkage: share of the mean variance in all directions that is mixed into the covariance,
            without which few messages of many features have none that can be inverted.

    Raises:
        ValueError: if features or labels are missing, do not fit each other or hold what is no
            number, or the share does not lie between 0 and 1.
    """
    require_numbers(train, "train", n_axes=2)
    require_numbers(features, "features", n_axes=2)
    labels = as_labels_of(train, labels).to(train.device)
    if train.shape[1] != features.shape[1]:
        raise ValueError(
            f"train has {train.shape[1]} features and features {features.shape[1]}; both must come "
            "from one model"
        )
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage}; it must lie between 0 and 1")
    train, features = train.double(), features.double()
    classes = labels.unique()
    means = torch.stack([train[labels == k].mean(0) for k in classes])
    within = train - means[torch.searchsorted(classes, labels)]
    covariance = within.T @ within / len(train)
    variance = covariance.diagonal().mean().clamp(min=1e-12)
    eye = torch.eye(len(covariance), dtype=torch.float64, device=train.device)
    covariance = (1 - shrinkage) * covariance + shrinkage * variance * eye
    root = torch.linalg.cholesky(torch.linalg.inv(covariance))
    return -torch.cdist(features @ root, means @ root).square().amin(1)
