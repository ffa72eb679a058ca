"""A loop of showing and clicking among films that are liked equally."""

import math
from itertools import pairwise

import pytest
import torch

from aigc_tutorial.apps import recommend


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_entropy_of_equal_shares_and_of_one():
    assert recommend.entropy(torch.ones(8)) == pytest.approx(3)
    assert recommend.entropy(torch.tensor([0, 5, 0])) == 0
    with pytest.raises(ValueError, match="all counts are 0"):
        recommend.gini(torch.zeros(3))


def test_all_films_are_liked_equally_and_all_people_are_not_alike():
    appeal = recommend.equal_appeal(80, 30, rng=seeded())
    ladder = torch.linspace(0.05, 0.65, 80)
    for film in appeal.T:
        torch.testing.assert_close(film.sort().values, ladder)
    assert float(appeal.std(1).mean()) > 0.1


def test_popularity_makes_unequal_what_was_equal_and_the_lot_does_not():
    for seed in range(3):
        appeal = recommend.equal_appeal(100, 80, rng=seeded(seed))
        policies = {
            "popular": lambda clicks: clicks.sum(0).expand_as(clicks),
            "lot": torch.zeros_like,
        }
        found = {
            name: recommend.run_loop(appeal, policy, n_rounds=6, rng=seeded(seed))
            for name, policy in policies.items()
        }
        assert found["popular"].gini[-1] > 0.9
        assert found["lot"].gini[-1] < 0.3
        assert found["lot"].entropy[-1] > math.log2(80) - 0.3
        assert found["lot"].clicked[-1] == pytest.approx(0.35, abs=0.07)
        assert int(found["lot"].shown.sum()) == 100 * 5
        assert len(found["lot"].gini) == 6


def test_nobody_is_shown_a_film_twice_in_a_round():
    shown = []

    def policy(clicks):
        shown.append(clicks.clone())
        return clicks.sum(0).expand_as(clicks)

    appeal = torch.ones(9, 12)
    recommend.run_loop(appeal, policy, n_rounds=3, n_shown=4, rng=seeded())
    for before, after in pairwise(shown):
        assert (after - before).max() == 1
        assert ((after - before).sum(1) == 4).all()


def kept_by_popularity(teacher, seed):
    """How many of the five films of the third round are among those of the last."""
    leading = []

    def popular(clicks):
        leading.append(set(clicks.sum(0).topk(5).indices.tolist()))
        return clicks.sum(0).expand_as(clicks)

    appeal = recommend.equal_appeal(100, 150, rng=seeded(seed))
    recommend.run_loop(appeal, popular, n_rounds=15, learns_from=teacher, rng=seeded(seed + 1))
    return len(leading[2] & leading[-1])


def test_a_loop_keeps_the_films_that_were_popular_first_and_without_one_they_change():
    assert min(kept_by_popularity("own", seed) for seed in range(4)) >= 4
    assert sum(kept_by_popularity("lot", seed) for seed in range(4)) <= 10


def test_ease_is_more_unequal_and_less_clicked_in_its_loop_than_without():
    for seed in range(3):
        own, lot = (
            recommend.run_loop(
                recommend.equal_appeal(100, 150, rng=seeded(seed)),
                lambda clicks: recommend.ease((clicks > 0).float(), penalty=20),
                n_rounds=12,
                learns_from=teacher,
                rng=seeded(seed + 1),
            )
            for teacher in ("own", "lot")
        )
        assert own.gini[-1] > lot.gini[-1] + 0.05
        assert sum(own.clicked[-5:]) < sum(lot.clicked[-5:]) - 5 * 0.02
