"""True lines pass, false ones are caught, and what no reader can catch is known."""

import pytest
import torch

from aigc_tutorial.apps import recommend
from aigc_tutorial.data import Film, movie_sample

FILMS = (
    Film("First", 1990, ("Crime", "Drama")),
    Film("Second", 1995, ("Crime", "Comedy")),
    Film("Third, and Last", 2001, ("Crime", "Drama", "Sci-Fi")),
    Film("Twice", 2003, ("Drama",)),
    Film("Twice", 2010, ("Horror",)),
    Film("Without Year", None, ("Drama",)),
)
FACTS = recommend.Facts(FILMS, {0: 5.0, 1: 4.5, 4: 3.0})


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize(
    ("film", "because", "genres"),
    [(2, [0], ("Crime", "Drama")), (2, [0, 1], ("Crime",)), (5, [0], ("Drama",))],
)
def test_true_claims_are_written_read_again_and_pass(film, because, genres, form):
    claims = recommend.claims_for(film, because, FACTS)
    assert claims is not None
    assert claims.genres == genres
    sentence = recommend.write(claims, form)
    again = recommend.read(sentence)
    assert again is not None
    assert (again.title, again.year, again.because) == (claims.title, claims.year, claims.because)
    assert again.genres == tuple(genre.lower() for genre in genres)
    assert recommend.faults(sentence, film, FACTS) == []


def test_where_nothing_is_shared_nothing_is_claimed():
    assert recommend.claims_for(3, [1], FACTS) is None
    assert recommend.claims_for(3, [], FACTS) is None


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("You gave “First” 5 stars. “Third, and Last” (2001) is horror too.", "it is not horror"),
        ("You gave “Second” 4.5 stars. “Third, and Last” (2001) is drama too.", "not all"),
        ("You gave “First” 4 stars. “Third, and Last” (2001) is crime too.", "given 5 stars"),
        ("You gave “Twice” 5 stars. “Third, and Last” (2001) is drama too.", "given 3 stars"),
        ("You gave “Other” 5 stars. “Third, and Last” (2001) is crime too.", "not in the history"),
        (
            "You gave “First” 5 stars. “Third, and Last” (2002) is crime too.",
            "in 2001, not in 2002",
        ),
        ("You gave “First” 5 stars. “Second” (2001) is crime too.", "not the film that"),
        ("You gave “First” 5 stars. “Third, and Last” (2001) is not crime too.", "cannot be read"),
        ("“Third, and Last” (2001): crime, like “First” (5 stars). Great!", "cannot be read"),
        ("", "cannot be read"),
        (
            "“Third, and Last”: crime, like “First” (5 stars) and “Other” (2 stars).",
            "“Other” is not",
        ),
    ],
)
def test_each_false_claim_has_its_fault(sentence, fault):
    assert any(fault in each for each in recommend.faults(sentence, 2, FACTS))


@pytest.mark.parametrize("kind", recommend.CORRUPTIONS)
def test_every_corruption_of_a_true_line_is_caught(kind):
    ratings = movie_sample()
    rng = torch.Generator().manual_seed(0)
    n = 0
    for user in range(40):
        mine = (ratings.users == user).nonzero()[:, 0]
        stars = {int(ratings.items[i]): float(ratings.stars[i]) for i in mine}
        facts = recommend.Facts(ratings.films, stars)
        for film in range(0, ratings.n_items, 7):
            claims = recommend.claims_for(film, list(stars)[:1], facts)
            if film in stars or claims is None:
                continue
            sentence = recommend.corrupt(claims, kind, facts, form=n % 2, rng=rng)
            assert recommend.faults(sentence, film, facts), sentence
            assert not recommend.faults(recommend.write(claims, n % 2), film, facts)
            n += 1
    assert n > 50


def test_a_true_line_that_is_not_the_reason_and_a_wrong_catalogue_pass():
    """What the reader cannot know: why the model chose, and whether the facts are facts."""
    assert not recommend.faults(
        "You gave “Second” 4.5 stars. “Third, and Last” (2001) is crime too.", 2, FACTS
    )
    wrong = recommend.Facts((*FILMS[:2], Film("Third, and Last", 1901, ("Crime",))), FACTS.stars)
    assert not recommend.faults(
        "You gave “First” 5 stars. “Third, and Last” (1901) is crime too.", 2, wrong
    )
