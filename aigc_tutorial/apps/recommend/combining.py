"""One ranking from several scores, with weights that validation data choose."""

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.apps.recommend.measures import ndcg, ranked, require_testable
from aigc_tutorial.apps.recommend.splits import Task

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Weights that are tried for every score but the first, which has 1."""


def standardised(
    scores: Float[Tensor, "U I"], candidates: Bool[Tensor, "U I"]
) -> Float[Tensor, "U I"]:
    """Scores with mean 0 and variance 1 over each person's candidates.

    So that scores of different methods can be added. Where all are equal they become 0.

    Args:
        scores: of each film for each person.
        candidates: films that may be recommended to whom.
    """
    n = candidates.sum(1, keepdim=True).clamp(min=1)
    kept = scores.where(candidates, 0)
    mean = kept.sum(1, keepdim=True) / n
    apart = (kept - mean).where(candidates, 0)
    # Divided first: the square of a small probability is 0.
    largest = apart.abs().amax(1, keepdim=True)
    is_constant = largest <= 1e-6 * kept.abs().amax(1, keepdim=True)  # what rounding leaves
    unit = largest.masked_fill(is_constant, 1)
    spread = unit * ((apart / unit).square().sum(1, keepdim=True) / n).sqrt()
    return ((scores - mean) / spread.masked_fill(is_constant, 1)).masked_fill(is_constant, 0)


def combined(
    scores: Sequence[Float[Tensor, "U I"]],
    weights: Sequence[float],
    candidates: Bool[Tensor, "U I"],
) -> Float[Tensor, "U I"]:
    """Weighted sum of standardised scores.

    Args:
        scores: of several methods.
        weights: of each.
        candidates: films that may be recommended to whom.

    Raises:
        ValueError: if there are not as many weights as scores, or none.
    """
    if not len(scores) == len(weights) > 0:
        raise ValueError(f"every score needs a weight; got {len(scores)} and {len(weights)}")
    parts = zip(scores, weights, strict=True)
    return torch.stack([weight * standardised(each, candidates) for each, weight in parts]).sum(0)


def choose_weights(
    scores: Mapping[str, Float[Tensor, "U I"]],
    task: Task,
    *,
    tried: Sequence[float] = WEIGHTS,
    k: int = 10,
) -> tuple[dict[str, float], float]:
    """The weights with the highest mean NDCG on a task, the first score's being 1.

    Ties are won by the smaller weights, which are tried first.

    Args:
        scores: of several methods, by name.
        task: of validation data.
        tried: weights of the others; all combinations are.
        k: length of the list.

    Returns:
        The weights by name, and their NDCG.

    Raises:
        ValueError: if there is nothing to choose from, nobody can be tested, or a score is no
            finite number.
    """
    if not scores or (len(scores) > 1 and not tried):
        raise ValueError("there is nothing to choose from: no scores, or no weights to try")
    for each in scores.values():
        require_testable(each, task, k)
    who, names = task.tested, list(scores)
    candidates, relevant = task.candidates[who], (task.relevant & task.candidates)[who]
    parts = [standardised(scores[name][who], candidates) for name in names]
    best: tuple[dict[str, float], float] = ({}, -1.0)
    for others in product(tried, repeat=len(names) - 1):
        weights = (1.0, *others)
        total = torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum(0)
        value = float(ndcg(ranked(total, candidates, k), relevant).mean())
        if value > best[1] + 1e-9:
            best = dict(zip(names, weights, strict=True)), value
    return best
