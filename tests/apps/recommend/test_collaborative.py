"""What is computed in one line is what its definition says."""

import inspect

import pytest
import torch

from aigc_tutorial.apps import recommend
from aigc_tutorial.data import movie_sample


def drawn(n_users=25, n_items=14, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(n_users, n_items, generator=rng) < 0.35).float()


def test_the_reasons_of_a_score_are_the_column_of_the_weights():
    seen = drawn()
    weights = recommend.ease_weights(seen, penalty=7.0)
    films = torch.tensor([3, 13, 0, 3])
    reasons = recommend.ease_reasons(seen, films, penalty=7.0)
    torch.testing.assert_close(reasons, weights[:, films].T, atol=1e-5, rtol=0)


def test_pure_svd_is_the_nearest_matrix_of_its_rank():
    seen = drawn()
    left, values, right = torch.linalg.svd(seen)
    nearest = left[:, :5] @ values[:5].diag() @ right[:5]
    torch.testing.assert_close(recommend.pure_svd(seen, rank=5), nearest, atol=1e-5, rtol=1e-4)


def test_neighbours_of_a_film_are_those_with_the_highest_cosine():
    seen = drawn()
    cosine = torch.nn.functional.cosine_similarity(seen[:, :, None], seen[:, None], dim=0)
    cosine.fill_diagonal_(0)
    scores = recommend.item_knn(seen, n_neighbours=3)
    for film in range(14):
        nearest = cosine[:, film].topk(3)
        expected = seen[:, nearest.indices] @ nearest.values
        torch.testing.assert_close(scores[:, film], expected)
    everything = recommend.item_knn(seen, n_neighbours=100)
    torch.testing.assert_close(everything, seen @ cosine)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.bfloat16])
def test_who_has_seen_what_may_be_of_any_type(dtype):
    """300 films that two people have both seen are more than a byte counts to."""
    seen = torch.rand(5, 600, generator=torch.Generator().manual_seed(0)) < 0.7
    given = seen.to(dtype)
    features = torch.randn(600, 4, generator=torch.Generator().manual_seed(1))
    for scores in (
        lambda x: inspect.unwrap(recommend.pure_svd)(x, rank=2),
        lambda x: inspect.unwrap(recommend.item_knn)(x, n_neighbours=5),
        lambda x: inspect.unwrap(recommend.ease)(x, penalty=1.0),
        lambda x: inspect.unwrap(recommend.profile_scores)(x, features),
    ):
        torch.testing.assert_close(scores(given), scores(seen.float()))


def test_several_numbers_of_neighbours_are_each_that_number_alone():
    seen = drawn(n_users=400)  # so many that no two films are equally near to a third
    seen[:, 5] = 0  # nobody has seen it
    found = recommend.item_knn_for_each(seen, (3, 1, 40, 3))
    assert list(found) == [1, 3, 40]
    for n, scores in found.items():
        torch.testing.assert_close(scores, recommend.item_knn(seen, n_neighbours=n))
        assert not scores[:, 5].any()
    assert not torch.equal(found[1], found[3])
    more = recommend.item_knn_for_each(seen, (seen.shape[1] + 10, seen.shape[1] + 20, 3))
    first, *others = more.values()  # more neighbours than there are films: all of them
    assert not torch.equal(first, others[0])
    assert torch.equal(*others)
    torch.testing.assert_close(others[0], recommend.item_knn(seen, n_neighbours=seen.shape[1]))
    assert not recommend.item_knn(0 * seen, n_neighbours=3).any()


def test_popular_lately_counts_the_latest_alone_and_what_is_learned_alone():
    ratings = movie_sample()
    learned = ratings.seconds < ratings.seconds.median()
    lately = recommend.popular_lately(ratings, learned, 0.1)[0]
    late = learned & (ratings.seconds >= torch.quantile(ratings.seconds[learned].double(), 0.9))
    assert float(lately.sum()) == float(late.sum())
    assert 0 < float(lately.sum()) < 0.15 * float(learned.sum())


def test_popular_is_the_same_for_everybody():
    seen = drawn()
    scores = recommend.popular(seen)
    assert torch.equal(scores[0], scores[-1])
    assert torch.equal(scores[0], seen.sum(0))
