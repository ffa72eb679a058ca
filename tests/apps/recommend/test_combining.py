"""One ranking of several scores."""

import pytest
import torch

from aigc_tutorial.apps import recommend


def a_task(seed=0, n_users=40, n_items=60):
    rng = torch.Generator().manual_seed(seed)
    seen = (torch.rand(n_users, n_items, generator=rng) < 0.2).float()
    relevant = (torch.rand(n_users, n_items, generator=rng) < 0.1) & (seen == 0)
    return recommend.Task(seen, relevant, torch.ones(n_items, dtype=torch.bool)), rng


def test_scores_are_standardised_over_each_persons_candidates():
    task, rng = a_task()
    scores = 100 + 7 * torch.randn(task.seen.shape, generator=rng)
    found = recommend.standardised(scores, task.candidates)
    for row, may_be in zip(found, task.candidates, strict=True):
        assert float(row[may_be].mean()) == pytest.approx(0, abs=1e-4)
        assert float(row[may_be].std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert not recommend.standardised(torch.ones_like(scores), task.candidates).any()


@pytest.mark.parametrize("unit", [1e-30, 1e-8, 1.0, 1e30])
def test_the_unit_of_a_score_does_not_matter(unit):
    candidates = torch.tensor([[True, True, True, False], [True, True, True, True]])
    scores = torch.tensor([[1.0, 2.0, 3.0, 9.0], [7.0, 7.0, 7.0, 7.0]])
    found = recommend.standardised(unit * scores, candidates)
    assert found[0, :3].tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5], abs=1e-5)
    assert (found[1] == 0).all()


def test_a_useful_score_gets_a_weight_and_noise_gets_none():
    task, rng = a_task()
    noise = torch.randn(3, *task.seen.shape, generator=rng)
    first, second = (task.relevant.float() + noise[:2]).unbind()
    weights, value = recommend.choose_weights({"first": first, "second": second}, task)
    assert weights["first"] == 1
    assert weights["second"] >= 0.4
    both = recommend.combined([first, second], list(weights.values()), task.candidates)
    assert float(recommend.evaluate(both, task).ndcg.mean()) == pytest.approx(value, abs=1e-6)
    perfect = {"perfect": task.relevant.float(), "noise": noise[2]}
    assert recommend.choose_weights(perfect, task) == ({"perfect": 1.0, "noise": 0.0}, 1.0)
