"""Answers to the exercises on recommending."""

import math

import numpy as np
import torch

from tests.exercises.answers import Answers


def ndcg_by_numpy(hits, n_relevant):
    discounts = 1 / np.log2(np.arange(len(hits)) + 2)
    return (np.asarray(hits) * discounts).sum() / discounts[: min(len(hits), n_relevant)].sum()


def ndcg_by_torch(hits, n_relevant):
    discounts = 1 / torch.log(torch.arange(len(hits), dtype=torch.float64) + 2)
    best = discounts[:n_relevant].sum()
    return (torch.tensor(hits) * discounts).sum() / best


def ndcg_from_zero(hits, n_relevant):
    places = [r for r, hit in enumerate(hits) if hit]
    return sum(1 / math.log(r + 2) for r in places) / sum(
        1 / math.log(r + 2) for r in range(min(n_relevant, len(hits)))
    )


def by_lexsort(seconds, lot):
    order = np.lexsort((lot.numpy(), seconds.numpy()))
    is_test = np.zeros(len(order), dtype=bool)
    is_test[order[len(order) - len(order) // 5 :]] = True
    return is_test


def by_one_number(seconds, lot):
    place = (seconds * 1_000 + lot).argsort().argsort()
    return place >= len(lot) - len(lot) // 5


def by_counting(seconds, lot):
    later = [
        sum(
            (int(t), int(n)) > (int(seconds[i]), int(lot[i]))
            for t, n in zip(seconds, lot, strict=True)
        )
        for i in range(len(lot))
    ]
    return [n < len(lot) // 5 for n in later]


def one_regression_a_film(seen, penalty):
    n = seen.shape[1]
    weights = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        x = seen[:, others]
        gram = x.T @ x + penalty * torch.eye(n - 1, dtype=torch.float64)
        weights[others, i] = torch.linalg.solve(gram, x.T @ seen[:, i])
    return weights


def ease_by_numpy(seen, penalty):
    x = seen.numpy()
    p = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    weights = -p / np.diag(p)
    np.fill_diagonal(weights, 0)
    return weights


def identity_minus(seen, penalty):
    p = torch.linalg.inv(seen.T @ seen + penalty * torch.eye(seen.shape[1]))
    return torch.eye(len(p)) - p @ (1 / p.diagonal()).diag()


def squared_by_people(seen, penalty):
    p = torch.linalg.inv(seen.T @ seen + penalty * len(seen) * torch.eye(seen.shape[1]))
    weights = -p / p.diagonal()
    return weights - weights.diagonal().diag()


ANSWERS = {
    "ndcg-of-a-list": Answers(
        right=[ndcg_by_numpy, ndcg_by_torch, ndcg_from_zero],
        wrong=[
            lambda hits, n: float(any(hits)),
            lambda hits, n: sum(hits) / n,
            lambda hits, n: ndcg_by_numpy(hits[::-1], n),
            lambda hits, n: min(1.0, 1.01 * ndcg_by_numpy(hits, n)),
        ],
    ),
    "last-fifth": Answers(
        right=[by_lexsort, by_one_number, by_counting],
        wrong=[
            lambda seconds, lot: ~by_one_number(seconds, lot),
            lambda seconds, lot: by_one_number(seconds, -lot),
            lambda seconds, lot: seconds >= seconds.double().quantile(0.8),
            lambda seconds, lot: torch.zeros(len(lot), dtype=torch.bool),
        ],
    ),
    "ease-weights": Answers(
        right=[one_regression_a_film, ease_by_numpy, identity_minus],
        wrong=[
            squared_by_people,
            lambda seen, penalty: ease_by_numpy(seen, penalty).T,
            lambda seen, penalty: ease_by_numpy(seen, penalty**2 + 1),
            lambda seen, penalty: torch.zeros(seen.shape[1], seen.shape[1]),
        ],
    ),
    "paired-error": Answers(
        right=[
            lambda a, b: (a - b).std() / len(a) ** 0.5,
            lambda a, b: np.std((a - b).numpy(), ddof=1) / np.sqrt(len(a)),
            lambda a, b: float(((a - b).var() / len(a)).sqrt()),
        ],
        wrong=[
            lambda a, b: (a - b).std(correction=0) / len(a) ** 0.5,
            lambda a, b: (a - b).std() / len(a),
            lambda a, b: (a - b).abs().mean() / len(a) ** 0.5,
            lambda a, b: (a.std() + b.std()) / len(a) ** 0.5,
        ],
    ),
}
