"""Measures against other people's, and on lists of which one knows what they are worth."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from aigc_tutorial.apps import recommend


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(seed, n_users=12, n_items=30):
    rng = seeded(seed)
    seen = (torch.rand(n_users, n_items, generator=rng) < 0.2).float()
    relevant = (torch.rand(n_users, n_items, generator=rng) < 0.15) & (seen == 0)
    scores = torch.randn(n_users, n_items, generator=rng)
    task = recommend.Task(seen, relevant, torch.ones(n_items, dtype=torch.bool))
    return scores, task


def test_auc_is_that_of_scikit_learn_with_ties_too():
    for seed in range(5):
        scores, task = drawn(seed)
        scores = (2 * scores).round()
        measured = recommend.evaluate(scores, task)
        for row, user in enumerate(task.tested.nonzero()[:, 0].tolist()):
            may_be = task.candidates[user]
            expected = roc_auc_score(task.relevant[user, may_be], scores[user, may_be])
            assert float(measured.auc[row]) == pytest.approx(expected, abs=1e-6)


def test_what_a_task_says_of_people_is_worked_out_once():
    task = drawn(0)[1]
    assert task.candidates is task.candidates
    assert task.tested is task.tested


def test_a_list_that_is_right_from_the_top_has_ndcg_1_and_one_place_lower_less():
    relevant = torch.tensor([[True, False, True, False]])
    assert float(recommend.ndcg(torch.tensor([[2, 0]]), relevant)) == 1
    one_off = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert float(recommend.ndcg(torch.tensor([[1, 0]]), relevant)) == pytest.approx(one_off)
    assert recommend.ndcg(torch.tensor([[1, 0]]), relevant & False).isnan().all()


def test_what_was_seen_is_never_recommended():
    scores, task = drawn(0)
    scores[task.seen > 0] = 100
    top = recommend.evaluate(scores, task, k=5).top
    assert not task.seen[task.tested].gather(1, top).any()


def test_a_list_that_is_too_long_is_not_filled_with_what_must_not_be_recommended():
    candidates = torch.tensor([[True, True, False, False], [True, True, True, True]])
    with pytest.raises(ValueError, match="3 places, and for somebody only 2 films are left"):
        recommend.ranked(torch.arange(8.0).view(2, 4), candidates, 3)


def test_equal_scores_are_put_in_order_by_a_lot_that_is_the_same_for_all():
    candidates = torch.ones(3, 500, dtype=torch.bool)
    top = recommend.ranked(torch.zeros(3, 500), candidates, 100)
    assert torch.equal(top[0], top[1])
    assert torch.equal(top, recommend.ranked(torch.ones(3, 500), candidates, 100))
    assert float(top[0].float().mean()) == pytest.approx(250, abs=60)  # not the first numbers


def test_coverage_counts_films_and_novelty_bits():
    seen = torch.zeros(3, 4)
    seen[0, 0] = seen[1, 0] = seen[2, 1] = 1
    relevant = torch.zeros(3, 4, dtype=torch.bool)
    relevant[:, 3] = True
    task = recommend.Task(seen, relevant, torch.ones(4, dtype=torch.bool))
    measured = recommend.evaluate(torch.tensor([[0.0, 0, 1, 2]] * 3), task, k=2)
    assert measured.coverage == 0.5
    assert measured.novelty == pytest.approx(2)  # (0 + 1) / (3 + 1) have seen either
    assert measured.recall.tolist() == [1, 1, 1]


def test_a_paired_difference_finds_what_two_standard_errors_hide():
    """People differ by far more than the methods: only the pairing sees the difference."""
    people = torch.rand(300, generator=seeded(0))
    better = people + 0.01 + 0.02 * torch.randn(300, generator=seeded(1))
    mean, low, high = recommend.bootstrap_difference(better, people, rng=seeded(2))
    assert 0 < low < mean < high < 0.02
    assert float(people.std()) / 300**0.5 > 0.01  # one of the two errors alone


def test_the_interval_is_that_of_the_normal_distribution_for_many_people():
    x = torch.randn(2_000, generator=seeded(3))
    mean, low, high = recommend.bootstrap_difference(x, torch.zeros(2_000), rng=seeded(4))
    error = float(x.std()) / 2_000**0.5
    assert mean == pytest.approx(float(x.mean()), abs=1e-6)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.06)


def test_films_stand_apart_by_how_many_have_seen_them():
    seen = torch.zeros(8, 6)
    seen[:6, 0] = seen[:2, 1] = seen[7, 5] = 1
    relevant = torch.zeros(8, 6, dtype=torch.bool)
    relevant[7, :3] = True
    task = recommend.Task(seen, relevant, torch.ones(6, dtype=torch.bool))
    found = recommend.standing_by_fame(recommend.popular(seen), task, edges=(0, 1, 5))
    assert list(found) == ["0", "1–4", "5 or more"]
    shares = {name: share for name, (share, n) in found.items() if n == 1}
    assert shares["5 or more"] == pytest.approx(4.5 / 5)
    assert shares["1–4"] == pytest.approx(3.5 / 5)
    assert shares["0"] == pytest.approx(1.5 / 5)  # in the middle of three that are equal


def test_scores_that_are_none_and_people_that_are_none_are_refused():
    scores, task = drawn(0)
    with pytest.raises(ValueError, match="not a number"):
        recommend.evaluate(scores * torch.nan, task)
    nobody = recommend.Task(task.seen, task.relevant & False, task.allowed)
    with pytest.raises(ValueError, match="nobody can be tested"):
        recommend.evaluate(scores, nobody)


def test_random_scores_have_an_auc_of_one_half():
    values = [
        float(recommend.evaluate(recommend.random_scores(t.seen, rng=seeded(s)), t).auc.mean())
        for s, (_, t) in ((s, drawn(s)) for s in range(20))
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.03)
