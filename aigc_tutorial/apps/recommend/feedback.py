"""A recommender that learns from the clicks on what it showed itself: a simulation of the loop."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

Policy = Callable[[Float[Tensor, "U I"]], Float[Tensor, "U I"]]
"""From the clicks so far (counts) to scores; the films with the highest ones are shown."""


@dataclass(frozen=True)
class Loop:
    """What happened in each round.

    Attributes:
        gini: of how often each film was shown in the round: 0 if all alike, near 1 if one alone.
        entropy: of the same shares, in bits.
        clicked: share of what was shown that was clicked.
        shown: how often each film was shown in the last round (I,).
    """

    gini: list[float]
    entropy: list[float]
    clicked: list[float]
    shown: Int64[Tensor, " I"]


def gini(counts: Float[Tensor, " I"] | Int64[Tensor, " I"]) -> float:
    r"""How unequal counts are.

    .. math:: G = \frac{\sum_{i} \sum_{j} |n_i - n_j|}{2 I \sum_i n_i}

    Args:
        counts: :math:`n_i` of each of the I films, not all 0.

    Returns:
        From 0, all alike, to 1 − 1/I, one film has everything.
    """
    n = counts.double().sort().values
    if not n.sum() > 0:
        raise ValueError("all counts are 0, and nothing can be said of how they are shared out")
    places = torch.arange(1, len(n) + 1, dtype=torch.float64)
    return float(((2 * places - len(n) - 1) * n).sum() / (len(n) * n.sum()))


def entropy(counts: Float[Tensor, " I"] | Int64[Tensor, " I"]) -> float:
    """Entropy in bits of the shares of counts."""
    shares = counts.double() / counts.sum()
    return float(-torch.xlogy(shares, shares).sum() / math.log(2))


def equal_appeal(n_users: int, n_items: int, *, rng: torch.Generator) -> Float[Tensor, "U I"]:
    """Probabilities of a click that differ from person to person and not from film to film.

    For each film the people are put in the order of their liking, and get the same ladder of
    probabilities, from 0.05 to 0.65. So every film is liked by some as much as any other film is,
    and by as many: whatever inequality comes out of a loop was made by the loop.

    Args:
        n_users: U.
        n_items: I.
        rng: draws tastes and traits, by which likings of films go together.
    """
    require_rng(rng)
    taste = torch.randn(as_count(n_users, "n_users"), 4, generator=rng)
    traits = torch.randn(as_count(n_items, "n_items"), 4, generator=rng)
    places = (taste @ traits.T).argsort(0).argsort(0)
    return torch.linspace(0.05, 0.65, n_users)[places]


def run_loop(
    appeal: Float[Tensor, "U I"],
    policy: Policy,
    *,
    n_rounds: int,
    n_shown: int = 5,
    rng: torch.Generator,
) -> Loop:
    """Show, click, learn, and show again.

    Before the first round each person is shown ``n_shown`` films by lot. A film may be shown to
    the same person again. Equal scores are put in order by lot, anew in each round.

    Args:
        appeal: probability that a person clicks on a film that is shown.
        policy: makes scores of all clicks so far.
        n_rounds: how often.
        n_shown: films shown to each person in a round.
        rng: draws lots and clicks.
    """
    require_rng(rng)
    clicks = torch.zeros_like(appeal)
    found = Loop([], [], [], torch.zeros(appeal.shape[1], dtype=torch.int64))
    for number in range(as_count(n_rounds, "n_rounds") + 1):
        lot = torch.rand(appeal.shape, generator=rng)
        scores = policy(clicks) if number else torch.zeros_like(appeal)
        by_lot = lot.argsort(1)
        order = scores.gather(1, by_lot).sort(dim=1, descending=True, stable=True).indices
        shown = by_lot.gather(1, order[:, :n_shown])
        is_clicked = torch.rand(shown.shape, generator=rng) < appeal.gather(1, shown)
        clicks.scatter_add_(1, shown, is_clicked.float())
        if number:
            counts = torch.bincount(shown.flatten(), minlength=appeal.shape[1])
            found.gini.append(gini(counts))
            found.entropy.append(entropy(counts))
            found.clicked.append(float(is_clicked.float().mean()))
            found.shown.copy_(counts)
    return found
