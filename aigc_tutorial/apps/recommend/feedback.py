"""A recommender that learns from the clicks on what it showed itself: a simulation of the loop."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

Teacher = Literal["own", "lot"]
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
    n = _require_counts(counts).sort().values
    places = torch.arange(1, len(n) + 1, dtype=torch.float64)
    return float(((2 * places - len(n) - 1) * n).sum() / (len(n) * n.sum()))


def entropy(counts: Float[Tensor, " I"] | Int64[Tensor, " I"]) -> float:
    """Entropy in bits of the shares of counts, which are not all 0."""
    n = _require_counts(counts)
    shares = n / n.sum()
    return float(-torch.xlogy(shares, shares).sum() / math.log(2))


def _require_counts(counts: Float[Tensor, " I"] | Int64[Tensor, " I"]) -> Float[Tensor, " I"]:
    n = counts.double()
    if not (n >= 0).all():
        raise ValueError("counts must be numbers from 0 on, got one below 0 or one that is NaN")
    if not n.sum() > 0:
        raise ValueError("all counts are 0, and nothing can be said of how they are shared out")
    return n


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
    learns_from: Teacher = "own",
    rng: torch.Generator,
) -> Loop:
    """Show, click, learn, and show again.

    Before the first round each person is shown ``n_shown`` films by lot. A film may be shown to
    the same person again. Equal scores are put in order by lot, anew in each round.

    Args:
        appeal: probability that a person clicks on a film that is shown.
        policy: makes scores of all clicks so far.
        n_rounds: how often.
        n_shown: films shown to each person in a round, at most as many as there are.
        learns_from: "own" for the clicks on what was shown, a loop. "lot" for those on as many
            films that are shown by lot besides: the same method on as much data, without a loop.
        rng: draws lots and clicks.

    Raises:
        ValueError: for another teacher, an appeal that is no probability, more films to show than
            there are, or a policy that makes anything but a number for each person and film.
    """
    require_rng(rng)
    if learns_from not in get_args(Teacher):
        raise ValueError(f'learns_from must be "own" or "lot", got {learns_from!r}')
    if appeal.ndim != 2 or not ((appeal >= 0) & (appeal <= 1)).all():
        raise ValueError("appeal must hold probabilities, from 0 to 1, a row for each person")
    if as_count(n_shown, "n_shown") > appeal.shape[1]:
        raise ValueError(f"n_shown is {n_shown}, and there are only {appeal.shape[1]} films")
    clicks = torch.zeros_like(appeal)
    found = Loop([], [], [], torch.zeros(appeal.shape[1], dtype=torch.int64))
    for number in range(as_count(n_rounds, "n_rounds") + 1):
        lot = torch.rand(appeal.shape, generator=rng)
        scores = policy(clicks) if number else torch.zeros_like(appeal)
        if scores.shape != appeal.shape or scores.isnan().any():
            raise ValueError(
                f"the policy must make a number for each of {appeal.shape[0]} people and "
                f"{appeal.shape[1]} films; got the shape {tuple(scores.shape)}"
                + (" with NaN in it" if scores.isnan().any() else "")
            )
        by_lot = lot.argsort(1)
        order = scores.gather(1, by_lot).sort(dim=1, descending=True, stable=True).indices
        shown = by_lot.gather(1, order[:, :n_shown])
        is_clicked = torch.rand(shown.shape, generator=rng) < appeal.gather(1, shown)
        if learns_from == "own":
            clicks.scatter_add_(1, shown, is_clicked.float())
        else:
            apart = torch.rand(appeal.shape, generator=rng).argsort(1)[:, :n_shown]
            heard = torch.rand(apart.shape, generator=rng) < appeal.gather(1, apart)
            clicks.scatter_add_(1, apart, heard.float())
        if number:
            counts = torch.bincount(shown.flatten(), minlength=appeal.shape[1])
            found.gini.append(gini(counts))
            found.entropy.append(entropy(counts))
            found.clicked.append(float(is_clicked.float().mean()))
            found.shown.copy_(counts)
    return found
