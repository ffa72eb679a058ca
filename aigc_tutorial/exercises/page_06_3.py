"""Exercises on recommending: a measure, a split, a closed form, a comparison."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "06_3_recommendation"


def _hit_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from (
        ([True, False, True, False], 2),
        ([False, False, True, True, False], 7),
        ([False, True, False], 1),
        ([True, True, True, True], 9),
        ([False, False, False], 4),
    )


def _dcg(hits: Sequence[bool], shift: int = 1) -> float:
    return sum(1 / math.log2(r + shift) for r, hit in enumerate(hits, 1) if hit)


@exercise(
    "ndcg-of-a-list",
    page=PAGE,
    level="warm-up",
    cases=_hit_cases,
    hint="the best list has hits in all its first places, as far as there are relevant films.",
    remark="The base of the logarithm does not matter: it stands above and below.",
    mistakes=[
        Mistake(
            lambda hits, n_relevant: _dcg(hits) / _dcg([True] * len(hits)),
            "with two relevant films the best list of ten has two hits, not ten: nobody could "
            "reach 1.",
        ),
        Mistake(
            lambda hits, n_relevant: _dcg(hits) / _dcg([True] * n_relevant),
            "the list has fewer places than there are relevant films: the ideal ends where the "
            "list does.",
        ),
        Mistake(lambda hits, n_relevant: _dcg(hits), "it is not divided by the best list's gain."),
        Mistake(
            lambda hits, n_relevant: (
                sum(1 / r for r, hit in enumerate(hits, 1) if hit)
                / sum(1 / r for r in range(1, min(len(hits), n_relevant) + 1))
            ),
            "a hit at place r counts 1 / log(r + 1), which falls more slowly than 1 / r.",
        ),
        Mistake(
            lambda hits, n_relevant: sum(hits) / min(len(hits), n_relevant),
            "the order of the list makes no difference here; a hit further down should count less.",
        ),
    ],
)
def ndcg(hits: Sequence[bool], n_relevant: int) -> float:
    """NDCG of one list: whether each place holds a relevant film, the first place first.

    ``n_relevant`` films are relevant in all, one or more; the list may be shorter or longer.
    """
    gain = sum(1 / math.log2(r + 1) for r, hit in enumerate(hits, 1) if hit)
    return gain / sum(1 / math.log2(r + 1) for r in range(1, min(len(hits), n_relevant) + 1))


def _time_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield torch.tensor([5, 1, 9, 3, 7]), torch.tensor([0, 1, 2, 3, 4])
    yield torch.tensor([4] * 10), torch.randperm(10, generator=rng)
    yield torch.randint(6, (23,), generator=rng), torch.randperm(23, generator=rng)
    yield torch.tensor([3, 2, 1, 1]), torch.tensor([3, 1, 0, 2])


def _last(order: list[int], n: int) -> Tensor:
    is_test = torch.zeros(len(order), dtype=torch.bool)
    is_test[order[len(order) - n :]] = True
    return is_test


def _by_time(seconds: Tensor, lot: Tensor) -> list[int]:
    return sorted(range(len(seconds)), key=lambda i: (int(seconds[i]), int(lot[i])))


@exercise(
    "last-fifth",
    page=PAGE,
    level="core",
    cases=_time_cases,
    hint="sort by the pair of second and lot.",
    remark="Without a lot a stable sort keeps the order of the file: in MovieLens that of the "
    "films' numbers, and these go with age.",
    mistakes=[
        Mistake(
            lambda seconds, lot: _last(lot.argsort().tolist(), len(lot) // 5),
            "this is a fifth by lot: later ratings than those of the test would be learned.",
        ),
        Mistake(
            lambda seconds, lot: _last(seconds.argsort(stable=True).tolist(), len(lot) // 5),
            "ratings of the same second stand in the order of the file; the lot decides.",
        ),
        Mistake(
            lambda seconds, lot: _last(_by_time(seconds, lot)[::-1], len(lot) // 5),
            "this is the first fifth.",
        ),
        Mistake(
            lambda seconds, lot: _last(_by_time(seconds, lot), math.ceil(len(lot) / 5)),
            "the fifth is rounded down, so that whoever has few ratings keeps them to learn from.",
        ),
    ],
)
def last_fifth(seconds: Tensor, lot: Tensor) -> Bool[Tensor, " N"]:
    """Which of one person's ratings are in the test: the last fifth by time, rounded down.

    Ratings of the same second stand in the order of ``lot``, numbers that are all different.
    """
    order = sorted(range(len(seconds)), key=lambda i: (int(seconds[i]), int(lot[i])))
    is_test = torch.zeros(len(seconds), dtype=torch.bool)
    is_test[order[len(order) - len(order) // 5 :]] = True
    return is_test


def _ease_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_users, n_items, penalty in ((8, 5, 1.0), (5, 7, 10.0), (30, 4, 0.5)):
        seen = (torch.rand(n_users, n_items, generator=rng) < 0.5).double()
        yield seen, penalty


def _inverse(seen: Tensor, penalty: float) -> Tensor:
    return torch.linalg.inv(seen.T @ seen + penalty * torch.eye(seen.shape[1]).double())


def _without_diagonal(weights: Tensor) -> Tensor:
    return weights - weights.diagonal().diag()


@exercise(
    "ease-weights",
    page=PAGE,
    level="core",
    cases=_ease_cases,
    hint="each column is divided by the diagonal's number in that column.",
    remark="Four lines, one setting, and on MovieLens no network of this page is better.",
    mistakes=[
        Mistake(
            lambda seen, penalty: _inverse(seen, penalty) @ (seen.T @ seen),
            "without the condition on the diagonal each film predicts itself best.",
        ),
        Mistake(
            lambda seen, penalty: _without_diagonal(_inverse(seen, penalty) @ (seen.T @ seen)),
            "to set the diagonal to zero afterwards is not to minimise under that condition.",
        ),
        Mistake(
            lambda seen, penalty: _without_diagonal(
                -_inverse(seen, penalty) / _inverse(seen, penalty).diagonal()[:, None]
            ),
            "rows were divided; each column belongs to one predicted film, and is divided.",
        ),
        Mistake(
            lambda seen, penalty: _without_diagonal(
                _inverse(seen, penalty) / _inverse(seen, penalty).diagonal()
            ),
            "the sign is wrong: films that are seen together would speak against each other.",
        ),
        Mistake(
            lambda seen, penalty: -_inverse(seen, penalty) / _inverse(seen, penalty).diagonal(),
            "the diagonal must be zero; here it is −1.",
        ),
    ],
)
def ease_weights(seen: Float[Tensor, "U I"], penalty: float) -> Float[Tensor, "I I"]:
    """Weights B with an empty diagonal that minimise |X − X B|² + penalty · |B|², X being seen.

    With P, the inverse of XᵀX + penalty · I, they are −P, each column divided by its number on the
    diagonal of P, and zero on the diagonal. Numbers are float64.
    """
    eye = torch.eye(seen.shape[1], dtype=seen.dtype)
    inverse = torch.linalg.inv(seen.T @ seen + penalty * eye)
    weights = -inverse / inverse.diagonal()
    return weights - weights.diagonal().diag()


def _paired_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n in (5, 12, 40):
        people = torch.rand(n, generator=rng, dtype=torch.float64)
        yield people, people + 0.1 * torch.randn(n, generator=rng, dtype=torch.float64)


@exercise(
    "paired-error",
    page=PAGE,
    level="research",
    cases=_paired_cases,
    hint="there is one difference for each person; what is the standard error of its mean?",
    remark="Whoever is hard to please is hard for both methods, and drops out of the difference.",
    mistakes=[
        Mistake(
            lambda first, second: ((first.var() + second.var()) / len(first)).sqrt(),
            "this is the error for two groups of different people; these are the same people.",
        ),
        Mistake(
            lambda first, second: (first - second).std(),
            "this is the spread of one person's difference, not the error of the mean.",
        ),
        Mistake(
            lambda first, second: (first - second).mean(),
            "this is the mean difference itself.",
        ),
        Mistake(
            lambda first, second: (first.std() - second.std()) / len(first) ** 0.5,
            "spreads cannot be subtracted: take the difference first, person by person.",
        ),
    ],
)
def paired_error(first: Float[Tensor, " P"], second: Float[Tensor, " P"]) -> float:
    """Standard error of the mean difference of two methods, measured on the same P people.

    Each tensor holds a value for each person, in the same order. The variance is that with P − 1.
    """
    return float((first - second).std() / len(first) ** 0.5)
