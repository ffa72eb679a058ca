"""Recommending from behaviour alone: who has seen what. No method here reads a word."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.apps.checks import require_positive
from aigc_tutorial.apps.recommend.checks import (
    require_part,
    require_seen,
    require_share,
)
from aigc_tutorial.data import MovieRatings
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

_BLOCK = 1_000  # films whose neighbours are computed at once


def random_scores(seen: Float[Tensor, "U I"], *, rng: torch.Generator) -> Float[Tensor, "U I"]:
    """Scores without any knowledge.

    Args:
        seen: 1 where a person has seen a film.
        rng: draws them.
    """
    return torch.rand(seen.shape, generator=require_rng(rng))


def popular(seen: Float[Tensor, "U I"]) -> Float[Tensor, "U I"]:
    """How many people have seen a film: the same scores for everybody.

    Args:
        seen: 1 where a person has seen a film.
    """
    return seen.sum(0).expand_as(seen)


def popular_lately(
    ratings: MovieRatings, learned: Bool[Tensor, " N"], share: float = 0.1
) -> Float[Tensor, "U I"]:
    """How many people have seen a film in the latest tenth of what is learned.

    Args:
        ratings: all of them.
        learned: which of them may be known.
        share: of the ratings that counts, above 0 and at most 1.

    Raises:
        ValueError: if nothing may be known, or the share is none.
    """
    require_share(share, "share")
    if not require_part(ratings, learned, "learned").any():
        raise ValueError("learned holds no rating, and nothing can be popular")
    known = ratings.seconds[learned].sort().values
    since = known[min(len(known) - 1, int((1 - share) * len(known)))]
    late = learned & (ratings.seconds >= since)
    counts = torch.bincount(ratings.items[late], minlength=ratings.n_items)
    return counts.float().expand(ratings.n_users, -1)


def item_knn(seen: Float[Tensor, "U I"], *, n_neighbours: int) -> Float[Tensor, "U I"]:
    """Sum of a film's similarities to what a person has seen, as far as it is among the nearest.

    Similar are films that the same people have seen: the cosine of the columns.

    Args:
        seen: 1 where a person has seen a film.
        n_neighbours: of each film; the others count 0.
    """
    return next(iter(item_knn_for_each(require_seen(seen), [n_neighbours]).values()))


def item_knn_for_each(
    seen: Float[Tensor, "U I"], n_neighbours: Sequence[int]
) -> dict[int, Float[Tensor, "U I"]]:
    """:func:`item_knn` for several numbers of neighbours, to choose one of them.

    Similarities are computed once, and each number goes on where the one below has ended.

    Args:
        seen: 1 where a person has seen a film.
        n_neighbours: one number or more.

    Returns:
        The scores by number of neighbours.

    Raises:
        ValueError: if there is no number.
    """
    numbers = sorted({as_count(n, "n_neighbours") for n in n_neighbours})
    if not numbers:
        raise ValueError("n_neighbours holds no number; give one or more")
    seen = require_seen(seen)
    known = seen.any(0).nonzero()[:, 0]  # the others are similar to none
    people = seen[:, known].T.contiguous()
    unit = people / people.norm(dim=1, keepdim=True)
    scores = {n: torch.zeros_like(seen) for n in numbers}
    if len(known) == 0:
        return scores
    for films in torch.arange(len(known), device=seen.device).split(_BLOCK):
        similar = unit[films] @ unit.T
        similar[torch.arange(len(films)), films] = 0
        nearest = similar.topk(min(numbers[-1], len(known)), dim=1)
        total = torch.zeros(len(films), len(seen), dtype=seen.dtype, device=seen.device)
        for low, high in zip([0, *numbers], numbers, strict=False):
            next_ones = nearest.indices[:, low:high], nearest.values[:, low:high].contiguous()
            total = total + _weighted_sums(people, *next_ones)
            scores[high][:, known[films]] = total.T
    return scores


def _weighted_sums(
    rows: Float[Tensor, "I U"], chosen: Int64[Tensor, "n k"], weights: Float[Tensor, "n k"]
) -> Float[Tensor, "n U"]:
    """Of each line of ``chosen`` the sum of those rows, each times its weight."""
    if not chosen.numel():  # embedding_bag refuses lines without an entry
        return rows.new_zeros(len(chosen), rows.shape[1])
    return torch.nn.functional.embedding_bag(
        chosen.contiguous(), rows, per_sample_weights=weights, mode="sum"
    )


def pure_svd(seen: Float[Tensor, "U I"], *, rank: int) -> Float[Tensor, "U I"]:
    """The nearest matrix of a low rank: a matrix factorisation without a loop.

    Args:
        seen: 1 where a person has seen a film.
        rank: of the approximation, below the number of people and of films.

    Raises:
        ValueError: for a higher rank, which would give the matrix back: 0 for all that is not seen.

    Source: Cremonesi, Koren and Turrin (2010).
    """
    seen = require_seen(seen)
    rank, highest = as_count(rank, "rank"), min(seen.shape) - 1
    if rank > highest:
        raise ValueError(
            f"rank is {rank}; of {seen.shape[0]} people and {seen.shape[1]} films nothing is left "
            f"out from {highest + 1} on, and every film that was not seen has the score 0"
        )
    # The eigenvectors of the smaller Gram matrix are the left singular vectors.
    _, vectors = torch.linalg.eigh((seen @ seen.T).double())
    left = vectors[:, -rank:]
    return (left @ (left.T @ seen.double())).float()


def ease_weights(seen: Float[Tensor, "U I"], *, penalty: float) -> Float[Tensor, "I I"]:
    r"""The linear map that predicts each film from the others best: EASE.

    .. math:: B = I - P \operatorname{diag}(P)^{-1}, \quad P = (X^\top X + \lambda I)^{-1}

    Args:
        seen: :math:`X`, 1 where a person has seen a film.
        penalty: :math:`\lambda`.

    Returns:
        :math:`B`, with zeros on the diagonal; scores are ``seen @ B``.

    Source: Steck (2019).
    """
    require_positive(penalty, "penalty")
    x = require_seen(seen).double()
    inverse = torch.linalg.inv(x.T @ x + penalty * torch.eye(x.shape[1], device=x.device).double())
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0)
    return weights.float()


def ease(seen: Float[Tensor, "U I"], *, penalty: float) -> Float[Tensor, "U I"]:
    r"""Scores of EASE, without a matrix of films by films.

    .. math:: X B = X - K^{-1} X \operatorname{diag}(P)^{-1}, \quad K = X X^\top + \lambda I,
              \quad P_{ii} = \frac{1 - x_i^\top K^{-1} x_i}{\lambda}

    This is the same as ``seen @ ease_weights(seen)``, by a matrix as large as there are people.
    Where these are fewer than the films, it takes about (films / people)² times fewer
    multiplications.

    Args:
        seen: :math:`X`, 1 where a person has seen a film.
        penalty: :math:`\lambda`.

    Source: Steck (2019); the other order of inversion is Woodbury's identity.
    """
    require_positive(penalty, "penalty")
    x = require_seen(seen).double()
    solved = torch.linalg.solve(x @ x.T + penalty * torch.eye(len(x), device=x.device).double(), x)
    diagonal = (1 - (x * solved).sum(0)) / penalty
    return (x - solved / diagonal).float()


def ease_reasons(
    seen: Float[Tensor, "U I"], films: Int64[Tensor, " n"], *, penalty: float
) -> Float[Tensor, "n I"]:
    """What each seen film would add to EASE's score of some films: columns of its weights.

    The score of a person is the sum over the films that he or she has seen.

    Args:
        seen: 1 where a person has seen a film.
        films: whose scores are to be explained.
        penalty: as in :func:`ease`.

    Returns:
        A row for each of them.

    Raises:
        ValueError: if one of the films is not there.
    """
    require_positive(penalty, "penalty")
    x = require_seen(seen).double()
    if len(films) and not 0 <= int(films.min()) <= int(films.max()) < x.shape[1]:
        raise ValueError(
            f"films must be numbers from 0 to {x.shape[1] - 1}, got {int(films.min())} to "
            f"{int(films.max())}"
        )
    gram = x @ x.T + penalty * torch.eye(len(x), device=x.device).double()
    chosen = x[:, films]
    solved = torch.linalg.solve(gram, chosen)
    weights = solved.T @ x / (1 - (chosen * solved).sum(0))[:, None]
    weights[torch.arange(len(films)), films] = 0
    return weights.float()
