"""Equations of recommending: a list's worth, a linear map, a match of texts, and inequality."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import ndcg_score

from aigc_tutorial.apps import recommend


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("recommend-ndcg")
@pytest.mark.parametrize("k", [1, 5, 10])
def test_ndcg_is_that_of_scikit_learn(k):
    for seed in range(5):
        rng = seeded(seed)
        seen = (torch.rand(12, 30, generator=rng) < 0.2).float()
        relevant = (torch.rand(12, 30, generator=rng) < 0.15) & (seen == 0)
        scores = torch.randn(12, 30, generator=rng)
        task = recommend.Task(seen, relevant, torch.ones(30, dtype=torch.bool))
        measured = recommend.evaluate(scores, task, k=k)
        for row, user in enumerate(task.tested.nonzero()[:, 0].tolist()):
            may_be = task.candidates[user]
            expected = ndcg_score(relevant[user, may_be][None], scores[user, may_be][None], k=k)
            assert float(measured.ndcg[row]) == pytest.approx(expected, abs=1e-6)


def drawn(n_users=25, n_items=14):
    return (torch.rand(n_users, n_items, generator=seeded()) < 0.35).float()


def by_least_squares(seen, penalty):
    """Each film from the others, one ridge regression a film."""
    n = seen.shape[1]
    weights = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        x, y = seen[:, others].double(), seen[:, i].double()
        eye = torch.eye(n - 1, dtype=torch.float64)
        weights[others, i] = torch.linalg.solve(x.T @ x + penalty * eye, x.T @ y)
    return weights


@pytest.mark.equation("recommend-ease")
@pytest.mark.parametrize("penalty", [0.5, 10.0, 300.0])
def test_ease_is_the_best_map_with_an_empty_diagonal(penalty):
    seen = drawn()
    weights = recommend.ease_weights(seen, penalty=penalty)
    assert not weights.diagonal().any()
    torch.testing.assert_close(weights.double(), by_least_squares(seen, penalty), atol=1e-5, rtol=0)


@pytest.mark.equation("recommend-ease-people")
@pytest.mark.parametrize("shape", [(25, 14), (9, 40)])
def test_ease_by_people_is_ease_by_films(shape):
    seen = drawn(*shape)
    by_films = seen @ recommend.ease_weights(seen, penalty=7.0)
    torch.testing.assert_close(recommend.ease(seen, penalty=7.0), by_films, atol=1e-5, rtol=1e-4)


@pytest.mark.equation("recommend-interest")
@torch.no_grad()
def test_a_score_is_the_cosine_to_the_mean_of_the_history_and_an_offset():
    seen = drawn(5, 12)
    seen[:, 0] = 1
    features = torch.randn(12, 6, generator=seeded(2))
    model = recommend.InterestModel(recommend.StoredFeatures(features), size=4, rng=seeded())
    model.head.weight[-1] = torch.randn(6, generator=seeded(3))
    standardised = (features - features.mean(0)) / features.std(0, correction=0)
    raw = standardised @ model.head.weight.T + model.head.bias
    e, b = F.normalize(raw[:, :-1], dim=1), raw[:, -1]
    scores = model.scores(seen)
    for user in range(5):
        history = e[seen[user] > 0].mean(0)
        for film in range(12):
            cosine = F.cosine_similarity(history, e[film], dim=0)
            expected = model.log_scale.exp() * cosine + b[film]
            assert float(scores[user, film]) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.equation("recommend-gini")
@pytest.mark.parametrize("counts", [[1, 1, 1, 1], [0, 0, 0, 8], [1, 2, 3, 4], [5, 0, 2, 2, 9]])
def test_gini_is_half_the_mean_difference_in_units_of_the_mean(counts):
    n = torch.tensor(counts)
    pairs = (n[:, None] - n).abs().sum() / (2 * len(n) * n.sum())
    assert recommend.gini(n) == pytest.approx(float(pairs))
    assert recommend.gini(n.flip(0)) == pytest.approx(float(pairs))
