"""Answering only where the error is bounded, and handing over the rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.apps.checks import require_probability
from aigc_tutorial.apps.support.checks import require_confidences
from aigc_tutorial.integers import as_count

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Confidences below which a desk can hand over; they are fixed before any message is seen."""


def risk_bound(n_errors: int, n: int, delta: float) -> float:
    """The largest risk at which so few errors were still credible (Clopper and Pearson 1934).

    If messages are answered wrongly with a probability above the bound, ``n_errors`` or fewer of n
    happen with probability ``delta`` at most.

    Args:
        n_errors: wrong ones of n.
        n: independent messages; with none the bound is 1.
        delta: how often the bound may be broken, between 0 and 1.

    Raises:
        ValueError: if there are more errors than messages, or delta is no probability.
    """
    n, n_errors = as_count(n, "n", at_least=0), as_count(n_errors, "n_errors", at_least=0)
    if n_errors > n:
        raise ValueError(f"there are {n_errors} errors among {n} messages; at most {n} can be")
    require_probability(delta, "delta")
    if n_errors == n:
        return 1.0
    k = torch.arange(n_errors + 1, dtype=torch.float64)
    log_ways = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    low, high = n_errors / n, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        logs = log_ways + k * math.log(middle) + (n - k) * math.log1p(-middle)
        is_credible = float(logs.logsumexp(0)) > math.log(delta)
        low, high = (middle, high) if is_credible else (low, middle)
    return high


def n_needed(risk: float, delta: float) -> int:
    """How many messages without an error promise a risk, with probability 1 − delta.

    Raises:
        ValueError: if risk or delta do not lie between 0 and 1.
    """
    require_probability(risk, "risk")
    require_probability(delta, "delta")
    # What is a whole number up to rounding is that number: 3 right ones for 1/2 and 1/8.
    return max(1, math.ceil(math.log(delta) / math.log1p(-risk) - 1e-9))


@dataclass(frozen=True)
class Promise:
    """A threshold on the confidence, and what was promised with it.

    Attributes:
        threshold: messages below it are handed over; infinite if nothing could be promised.
        risk: share of wrong answers among the given ones that was asked for.
        delta: probability with which the promise may be broken, over draws of validation messages.
        bound: of the risk, as found; at most ``risk``, and 1 where all is handed over.
        coverage: share of the validation messages that is answered.
        n_errors: wrong ones among them.
    """

    threshold: float
    risk: float
    delta: float
    bound: float
    coverage: float
    n_errors: int


def promise(
    confidence: Float[Tensor, " N"],
    is_right: Bool[Tensor, " N"],
    *,
    risk: float,
    delta: float = 0.1,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Promise:
    """The smallest threshold at which the risk is bounded; validation messages decide.

    Each threshold is tried at delta / (number of thresholds): whichever is chosen, the promise
    holds with probability 1 − delta (Bonferroni). The messages must come as those to be answered
    do; nothing is promised about others.

    Args:
        confidence: of validation messages, which trained nothing and set no temperature.
        is_right: whether each would be answered rightly.
        risk: share of wrong answers among the given ones that is allowed.
        delta: probability with which the promise may be broken.
        thresholds: candidates, chosen without looking at these messages.

    Raises:
        ValueError: if there is no message or no threshold, a confidence is no probability, or risk
            and delta are none.
    """
    require_confidences(confidence, is_right)
    require_probability(risk, "risk")
    require_probability(delta, "delta")
    if not thresholds or any(threshold != threshold for threshold in thresholds):
        raise ValueError(f"thresholds must be one number or more, got {list(thresholds)}")
    chosen = Promise(math.inf, risk, delta, 1.0, 0.0, 0)
    for threshold in sorted(thresholds, reverse=True):
        is_answered = confidence >= threshold
        n, n_errors = int(is_answered.sum()), int((is_answered & ~is_right).sum())
        bound = risk_bound(n_errors, n, delta / len(thresholds))
        if bound <= risk:
            chosen = Promise(threshold, risk, delta, bound, n / len(is_right), n_errors)
    return chosen


def coverage_curve(
    confidence: Float[Tensor, " N"], is_right: Bool[Tensor, " N"]
) -> tuple[Float[Tensor, " M"], Float[Tensor, " M"]]:
    """Share of messages that are answered, and accuracy among them, for every threshold.

    Returns:
        Coverages, rising to 1, and the accuracy at each; one point for each different confidence.

    Raises:
        ValueError: if there is no message, or a confidence is no probability.
    """
    require_confidences(confidence, is_right)
    confidence, is_right = confidence.cpu(), is_right.cpu()
    order = confidence.argsort(descending=True, stable=True)
    n_right = is_right[order].double().cumsum(0)
    n = torch.arange(1, len(order) + 1, dtype=torch.float64)
    ordered = confidence[order]
    is_last = torch.ones_like(ordered, dtype=torch.bool)
    is_last[:-1] = ordered[:-1] != ordered[1:]
    return (n / len(order))[is_last], (n_right / n)[is_last]
