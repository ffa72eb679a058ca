"""Nobody learns from what comes later, unless the lot says so."""

import pytest
import torch

from aigc_tutorial.apps import recommend
from aigc_tutorial.data import Film, MovieRatings, Source, movie_sample


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(users, seconds, stars=None):
    n = len(users)
    return MovieRatings(
        tuple(Film(str(i), 2000, ("Drama",)) for i in range(n)),
        torch.tensor(users),
        torch.arange(n),
        torch.tensor(stars if stars is not None else [4.0] * n),
        torch.tensor(seconds),
        (),
        Source("embedded", "here", "Made up."),
    )


@pytest.mark.parametrize(
    "split_by",
    [
        lambda r: recommend.by_each_persons_time(r, rng=seeded()),
        lambda r: recommend.by_each_persons_time(r, n_last=1, rng=seeded()),
        recommend.by_one_moment,
        lambda r: recommend.by_lot(r, rng=seeded()),
    ],
)
def test_every_rating_is_in_one_part(split_by):
    ratings = movie_sample()
    split = split_by(ratings)
    parts = torch.stack([split.train, split.validation, split.test]).int()
    assert (parts.sum(0) == 1).all()
    assert (parts.sum(1) > 0).all()
    assert torch.equal(split.learned, ~split.test)


def test_each_persons_parts_follow_each_other_in_time():
    ratings = movie_sample()
    split = recommend.by_each_persons_time(ratings, rng=seeded())
    for user in range(ratings.n_users):
        of_user = ratings.users == user
        n = int(of_user.sum())
        parts = [ratings.seconds[of_user & p] for p in (split.train, split.validation, split.test)]
        assert parts[0].max() <= parts[1].min()
        assert parts[1].max() <= parts[2].min()
        assert len(parts[1]) == len(parts[2]) == n // 5


def test_ratings_of_one_second_are_ordered_by_lot_and_not_by_the_films_numbers():
    ratings = small([0] * 400, [7] * 400)
    first, again, other = (
        recommend.by_each_persons_time(ratings, rng=seeded(s)).test for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.nonzero().float().mean()) == pytest.approx(200, abs=40)  # not the last 80


def test_the_last_one_of_each_person():
    split = recommend.by_each_persons_time(
        small([1, 0, 1, 0, 1, 0], [9, 1, 8, 3, 7, 2]), n_last=1, rng=seeded()
    )
    assert split.test.nonzero()[:, 0].tolist() == [0, 3]
    assert split.validation.nonzero()[:, 0].tolist() == [2, 5]


def test_one_moment_parts_all_people_at_once():
    ratings = movie_sample()
    split = recommend.by_one_moment(ratings)
    assert ratings.seconds[split.learned].max() <= ratings.seconds[split.test].min()
    assert int(split.test.sum()) == pytest.approx(len(ratings) / 10, abs=30)


def test_what_is_relevant_was_liked_and_not_seen():
    ratings = small([0, 0, 0, 1, 1], [1, 2, 3, 1, 2], [1.0, 4.0, 3.5, 5.0, 5.0])
    learned = torch.tensor([True, False, False, True, False])
    task = recommend.task(ratings, learned, ~learned)
    assert task.seen.nonzero().tolist() == [[0, 0], [1, 3]]  # of whatever stars
    assert task.relevant.nonzero().tolist() == [[0, 1], [1, 4]]  # four stars and more
    assert task.tested.tolist() == [True, True]
    allowed = torch.tensor([True, True, True, True, False])
    assert recommend.task(ratings, learned, ~learned, allowed=allowed).tested.tolist() == [
        True,
        False,
    ]


def test_new_films_are_learned_by_nobody_and_tested_as_before():
    ratings = movie_sample()
    split = recommend.by_each_persons_time(ratings, rng=seeded())
    parts, is_new = recommend.new_films(ratings, split, rng=seeded())
    assert int(is_new.sum()) == int(0.2 * ratings.n_items)
    assert not is_new[ratings.items[parts.learned]].any()
    assert torch.equal(parts.test, split.test)
    assert torch.equal(parts.train, split.train & ~is_new[ratings.items])
