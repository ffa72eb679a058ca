"""What a recommender may learn from, and what it is tested on: by time, or against time."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.apps.recommend.checks import require_part, require_share
from aigc_tutorial.data import MovieRatings
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

LIKED_FROM = 4.0
"""Stars from which on a film counts as liked."""


@dataclass(frozen=True)
class Split:
    """Ratings in three parts; each is in one of them, or in none.

    Attributes:
        name: how they were parted.
        train: to learn from (N,).
        validation: to choose settings by (N,).
        test: to measure on, once (N,).
    """

    name: str
    train: Bool[Tensor, " N"]
    validation: Bool[Tensor, " N"]
    test: Bool[Tensor, " N"]

    @property
    def learned(self) -> Bool[Tensor, " N"]:
        """What the last models learn from, their settings once chosen: all but the test."""
        return self.train | self.validation


@dataclass(frozen=True)
class Task:
    """Films that people have seen, and those among the others that they will like.

    Attributes:
        seen: 1 where a person has rated a film (U, I), with whatever stars; to learn from.
        relevant: True where a person will like a film that is not among them (U, I).
        allowed: films that may be recommended (I,).
    """

    seen: Float[Tensor, "U I"]
    relevant: Bool[Tensor, "U I"]
    allowed: Bool[Tensor, " I"]

    @cached_property
    def candidates(self) -> Bool[Tensor, "U I"]:
        """Films that may be recommended to a person: allowed, and not seen."""
        return self.allowed & (self.seen == 0)

    @cached_property
    def tested(self) -> Bool[Tensor, " U"]:
        """People who can be tested: they have seen something and will like something."""
        return (self.relevant & self.candidates).any(1) & (self.seen > 0).any(1)


def task(
    ratings: MovieRatings,
    learned: Bool[Tensor, " N"],
    tested: Bool[Tensor, " N"],
    *,
    allowed: Bool[Tensor, " I"] | None = None,
) -> Task:
    """What is to be found, given what was seen.

    Args:
        ratings: all of them.
        learned: the part that has been seen.
        tested: the part whose liked films are to be found.
        allowed: films that may be recommended; None for all.
    """
    require_part(ratings, learned, "learned")
    require_part(ratings, tested, "tested")
    shape = ratings.n_users, ratings.n_items
    seen, relevant = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    seen[ratings.users[learned], ratings.items[learned]] = 1
    liked = tested & (ratings.stars >= LIKED_FROM)
    relevant[ratings.users[liked], ratings.items[liked]] = True
    if allowed is None:
        allowed = torch.ones(ratings.n_items, dtype=torch.bool)
    elif allowed.shape != (ratings.n_items,) or not allowed.any():
        raise ValueError(
            f"allowed must hold a truth value for each of the {ratings.n_items} films, True for "
            f"one or more; got {int(allowed.sum())} of {(*allowed.shape,)}"
        )
    return Task(seen, relevant & (seen == 0), allowed)


def by_each_persons_time(
    ratings: MovieRatings, share: float = 0.2, *, n_last: int | None = None, rng: torch.Generator
) -> Split:
    """The last fifth of each person's ratings to test on, the fifth before to choose by.

    Ratings of the same second are put in an order once, by lot; the film's number, which a sort
    would take by default, goes with its age.

    Args:
        ratings: all of them.
        share: of a person's ratings that goes to each of the two parts, rounded down; at most
            one half.
        n_last: so many of each person instead of a share; who has no more is not learned from.
        rng: for the lot.

    Raises:
        ValueError: for another share, or less than one rating.
    """
    require_rng(rng)
    require_share(share, "share", up_to=0.5)
    lot = torch.randperm(len(ratings), generator=rng)
    order = lot[ratings.seconds[lot].argsort(stable=True)]
    order = order[ratings.users[order].argsort(stable=True)]
    counts = torch.bincount(ratings.users, minlength=ratings.n_users)
    firsts = counts.cumsum(0) - counts
    users = ratings.users[order]
    to_come = torch.empty_like(order)  # how many ratings of the same person come behind
    to_come[order] = (firsts + counts)[users] - 1 - torch.arange(len(order))
    n_each = (share * counts).long()
    if n_last is not None:
        n_each.fill_(as_count(n_last, "n_last"))
    n_each = n_each[ratings.users]
    test = to_come < n_each
    validation = ~test & (to_come < 2 * n_each)
    return Split("each person's last", ~test & ~validation, validation, test)


def by_one_moment(ratings: MovieRatings, share: float = 0.1) -> Split:
    """Everything after one moment to test on, the tenth of all ratings before it to choose by.

    Args:
        ratings: all of them.
        share: of all ratings that goes to each of the two parts, at most one half.
    """
    require_share(share, "share", up_to=0.5)
    seconds, n_each = ratings.seconds, int(share * len(ratings))
    ordered = seconds.sort().values
    late, later = (ordered[max(len(ratings) - n * n_each - 1, 0)] for n in (2, 1))
    test, validation = seconds > later, (seconds > late) & (seconds <= later)
    return Split("one moment for all", seconds <= late, validation, test)


def by_lot(ratings: MovieRatings, share: float = 0.2, *, rng: torch.Generator) -> Split:
    """A fifth of all ratings by lot to test on, another to choose by: what comes later is learned.

    Args:
        ratings: all of them.
        share: of all ratings that goes to each of the two parts, at most one half.
        rng: for the lot.
    """
    require_rng(rng)
    require_share(share, "share", up_to=0.5)
    place = torch.empty(len(ratings), dtype=torch.int64)
    place[torch.randperm(len(ratings), generator=rng)] = torch.arange(len(ratings))
    n_each = int(share * len(ratings))
    test, validation = place < n_each, (place >= n_each) & (place < 2 * n_each)
    return Split("by lot", ~test & ~validation, validation, test)


def new_films(
    ratings: MovieRatings, split: Split, share: float = 0.2, *, rng: torch.Generator
) -> tuple[Split, Bool[Tensor, " I"]]:
    """Take all ratings of some films out of what is learned, as if these films were new.

    Args:
        ratings: all of them.
        split: what is learned from and tested on.
        share: of the films that become new, by lot; one film or more, and not all.
        rng: for the lot.

    Returns:
        The split without the new films' ratings in train and validation, and which films are new.
    """
    require_rng(rng)
    n_new = int(require_share(share, "share") * ratings.n_items)
    if not 0 < n_new < ratings.n_items:
        raise ValueError(f"{share} of {ratings.n_items} films would make {n_new} new; take another")
    is_new = torch.zeros(ratings.n_items, dtype=torch.bool)
    is_new[torch.randperm(ratings.n_items, generator=rng)[:n_new]] = True
    kept = ~is_new[ratings.items]
    parts = Split(
        f"{split.name}, new films", split.train & kept, split.validation & kept, split.test
    )
    return parts, is_new
