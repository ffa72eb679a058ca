"""How good a list of recommendations is, for whom, and whether another one is better."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.apps.recommend.splits import Task
from aigc_tutorial.data.checks import require_finite, require_rng
from aigc_tutorial.integers import as_count

_SEED_OF_TIES = 0


@dataclass(frozen=True)
class Measured:
    """A method's measurements; a row of each is a person who can be tested.

    Attributes:
        ndcg: of the first k (P,), in [0, 1].
        recall: share of what the person will like that is among the first k (P,).
        auc: probability that a film that will be liked stands above one that will not (P,).
        coverage: share of the films that is recommended to anybody.
        novelty: mean over all recommendations of log2(people / people who have seen the film),
            in bits; one person is added to both.
        top: the recommended films (P, k).
    """

    ndcg: Float[Tensor, " P"]
    recall: Float[Tensor, " P"]
    auc: Float[Tensor, " P"]
    coverage: float
    novelty: float
    top: Int64[Tensor, "P k"]

    @property
    def standard_error(self) -> float:
        """Of the mean NDCG over people."""
        return float(self.ndcg.std() / len(self.ndcg) ** 0.5)


def ranked(
    scores: Float[Tensor, "U I"], candidates: Bool[Tensor, "U I"], k: int
) -> Int64[Tensor, "U k"]:
    """The k candidates with the highest scores, the best first.

    Equal scores are put in order by a lot that is the same for all methods and people; the order
    of the films' numbers would favour old films.

    Args:
        scores: of each film for each person.
        candidates: which may be recommended to whom; each person has k or more.
        k: how many.

    Raises:
        ValueError: if somebody has fewer: others would fill the list.
    """
    require_enough(candidates, k)
    rng = torch.Generator().manual_seed(_SEED_OF_TIES)
    lot = torch.randperm(scores.shape[1], generator=rng).to(scores.device)
    masked = scores.masked_fill(~candidates, -torch.inf)[:, lot]
    last = masked.topk(k).values[:, -1:]
    is_above, is_tied = masked > last, masked == last
    n_missing = k - is_above.sum(1, keepdim=True)
    is_chosen = is_above | (is_tied & (is_tied.cumsum(1) <= n_missing))
    chosen = is_chosen.nonzero()[:, 1].view(-1, k)  # in the order of the lot
    order = masked.gather(1, chosen).sort(dim=1, descending=True, stable=True).indices
    return lot[chosen.gather(1, order)]


def ndcg(top: Int64[Tensor, "U k"], relevant: Bool[Tensor, "U I"]) -> Float[Tensor, " U"]:
    r"""Normalised discounted cumulative gain of ranked lists.

    .. math:: \frac{\sum_{r=1}^{k} [i_r \in R_u] / \log_2(r + 1)}
              {\sum_{r=1}^{\min(k, |R_u|)} 1 / \log_2(r + 1)}

    Args:
        top: films, the best first.
        relevant: :math:`R_u`, what each person will like.

    Returns:
        In [0, 1]; NaN for a person who will like nothing.

    Source: Järvelin and Kekäläinen (2002).
    """
    k = top.shape[1]
    discounts = 1 / torch.log2(torch.arange(2, k + 2, device=top.device, dtype=torch.float64))
    gains = (relevant.gather(1, top) * discounts).sum(1)
    ideal = torch.cat([torch.full_like(discounts[:1], torch.nan), discounts.cumsum(0)])
    return (gains / ideal[relevant.sum(1).clamp(max=k)]).float()


def auc(
    scores: Float[Tensor, "U I"],
    candidates: Bool[Tensor, "U I"],
    relevant: Bool[Tensor, "U I"],
) -> Float[Tensor, " U"]:
    """Probability that a relevant candidate scores above another candidate; a tie counts half.

    Args:
        scores: of each film for each person.
        candidates: films that are compared.
        relevant: those that should score high.

    Returns:
        In [0, 1]; NaN for a person for whom all candidates are relevant, or none is.
    """
    found = []
    for of_user, may_be, good in zip(scores, candidates, relevant, strict=True):
        values = of_user[may_be & good].sort().values  # the few are sorted, not the many
        others = of_user[may_be & ~good].contiguous()
        below = torch.searchsorted(values, others) + torch.searchsorted(values, others, right=True)
        found.append(1 - below.double().mean() / 2 / len(values))
    return torch.stack(found).float()


def evaluate(scores: Float[Tensor, "U I"], task: Task, *, k: int = 10) -> Measured:
    """Measure a method's scores on a task.

    Args:
        scores: of each film for each person; what was seen is left out here.
        task: what is to be found.
        k: length of the list.

    Raises:
        ValueError: if nobody can be tested, a score is no finite number, or somebody has fewer
            than k films that may be recommended.
    """
    k = as_count(k, "k")
    require_testable(scores, task, k)
    who = task.tested
    scores, candidates, relevant = (x[who] for x in (scores, task.candidates, task.relevant))
    relevant = relevant & candidates
    top = ranked(scores, candidates, k)
    hits = relevant.gather(1, top).sum(1)
    n_people = len(task.seen)
    seen_by = (task.seen.sum(0) + 1) / (n_people + 1)
    return Measured(
        ndcg(top, relevant),
        hits / relevant.sum(1),
        auc(scores, candidates, relevant),
        len(top.unique()) / int(task.allowed.sum()),
        float(-seen_by.log2()[top].mean()),
        top,
    )


def require_testable(scores: Float[Tensor, "U I"], task: Task, k: int) -> None:
    """Refuse what cannot be measured on a task.

    Args:
        scores: of each film for each person.
        task: what is to be found.
        k: length of the list.

    Raises:
        ValueError: as :func:`evaluate` does.
    """
    if scores.shape != task.seen.shape:
        raise ValueError(
            f"scores must have the shape of seen, {(*task.seen.shape,)}, got {(*scores.shape,)}"
        )
    if not scores.isfinite().all():
        raise ValueError(
            "a score is not a number or infinite; the method that made it has a fault. A film that "
            "must not be recommended is left out by the task"
        )
    who = task.tested
    if not who.any():
        raise ValueError(
            "nobody can be tested: nobody has both a film that was seen and one to be found; "
            "take a split with a larger test part"
        )
    require_enough(task.candidates[who], k)


def require_enough(candidates: Bool[Tensor, "U I"], k: int) -> None:
    """Refuse a list that is longer than what may be recommended to somebody.

    Args:
        candidates: which films may be recommended to whom.
        k: length of the list.

    Raises:
        ValueError: if somebody has fewer than k of them.
    """
    if len(candidates) and (fewest := int(candidates.sum(1).min())) < k:
        raise ValueError(
            f"the list has {k} places, and for somebody only {fewest} films are left that may be "
            "recommended; take a smaller k"
        )


def bootstrap_difference(
    first: Float[Tensor, " P"],
    second: Float[Tensor, " P"],
    *,
    rng: torch.Generator,
    n_draws: int = 4_000,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Mean difference between two methods on the same people, and the interval that it lies in.

    People are drawn with replacement, each with both of his or her values, so that what makes a
    person easy or hard for both is taken out.

    Args:
        first: a value for each person.
        second: that of the other method for the same people.
        rng: draws people.
        n_draws: how often.
        level: of the interval, by percentiles, between 0 and 1.

    Returns:
        The mean of first − second, and the ends of its interval.

    Source: Efron and Tibshirani (1993).
    """
    require_rng(rng)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(
            "both methods must be measured on the same people, two or more; got "
            f"{(*first.shape,)} and {(*second.shape,)}"
        )
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    require_finite(first, "first")
    require_finite(second, "second")
    difference = (first - second).double()
    n = len(difference)
    means = torch.stack(
        [
            difference[torch.randint(n, (n,), generator=rng)].mean()
            for _ in range(as_count(n_draws, "n_draws"))
        ]
    )
    ends = torch.quantile(means, torch.tensor([(1 - level) / 2, (1 + level) / 2]).double())
    return float(difference.mean()), float(ends[0]), float(ends[1])


def standing_by_fame(
    scores: Float[Tensor, "U I"], task: Task, edges: Sequence[int] = (0, 1, 5, 20)
) -> dict[str, tuple[float, int]]:
    """Where the films that will be liked stand, apart for films that few or many have seen.

    Args:
        scores: of each film for each person.
        task: what is to be found.
        edges: of the groups: by how many people a film has been seen, from each number on.

    Returns:
        By the group's name: the mean share of a person's candidates that score lower (a tie counts
        half), over all pairs of a person and a relevant film, and how many pairs there are.
    """
    require_testable(scores, task, 1)
    if sorted(set(edges)) != list(edges) or not edges:
        raise ValueError(f"edges must rise, got {list(edges)}")
    counts = task.seen.sum(0).long()
    shares, fame = [], []
    relevant = task.relevant & task.candidates
    for of_user, may_be, good in zip(scores, task.candidates, relevant, strict=True):
        if good.any():
            everything = of_user[may_be].sort().values
            values = of_user[good].contiguous()
            below = torch.searchsorted(everything, values)
            up_to = torch.searchsorted(everything, values, right=True)
            shares.append((below + up_to).double() / 2 / len(everything))
            fame.append(counts[good])
    share, seen_by = torch.cat(shares), torch.cat(fame)
    found = {}
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        inside = (seen_by >= low) & (seen_by < high if high is not None else True)
        name = f"{low}" if high == low + 1 else f"{low}–{high - 1}" if high else f"{low} or more"
        found[name] = (float(share[inside].mean()), int(inside.sum()))
    return found
