"""Films as they are written, ratings as they were given, and what stands in for them."""

import dataclasses
import hashlib
import io
import os
import zipfile

import pytest
import torch

from aigc_tutorial.data import (
    MOVIELENS_SMALL,
    DataFallbackWarning,
    DataIntegrityError,
    Film,
    FilmTag,
    MovieRatings,
    Source,
    movie_ratings,
    movie_sample,
    movies,
    simulated_ratings,
)

DATA_FOLDER = os.environ.get("AIGC_TUTORIAL_DATA")  # before a fixture hides it
needs_data = pytest.mark.skipif(
    not DATA_FOLDER, reason="set AIGC_TUTORIAL_DATA to a folder that holds movielens"
)
HERE = Source("folder", "here", "Made up.")
TABLES = {
    "movies.csv": "movieId,title,genres\n"
    "3,Plain Film (1995),Comedy|Drama\n"
    '11,"American Story, The (1996)",Drama\n'
    "40,Without Year,(no genres listed)\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    "10,40,0.5,1000000000\n10,3,4.0,1000000000\n2,11,5.0,1200000000\n",
    "tags.csv": "userId,movieId,tag,timestamp\n2,11, slow but good ,1200000001\n99,3,mine,5\n",
}


def archive(tables=TABLES):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, text in tables.items():
            zipped.writestr(f"ml-latest-small/{name}", text)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a small archive in MovieLens's format, and a catalogue that expects it."""
    content = archive()
    path = tmp_path / MOVIELENS_SMALL.filename
    path.parent.mkdir()
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    resource = dataclasses.replace(MOVIELENS_SMALL, sha256=sha256, n_bytes=len(content))
    monkeypatch.setattr(movies, "MOVIELENS_SMALL", resource)
    return tmp_path


def test_people_and_films_are_numbered_from_zero_in_the_order_of_their_numbers(folder):
    ratings = movie_ratings(root=folder)
    assert ratings.users.tolist() == [1, 1, 0]  # 2 comes before 10: numbers, not letters
    assert ratings.items.tolist() == [2, 0, 1]
    assert ratings.stars.tolist() == [0.5, 4.0, 5.0]
    assert ratings.seconds.tolist() == [1_000_000_000, 1_000_000_000, 1_200_000_000]
    assert (len(ratings), ratings.n_users, ratings.n_items) == (3, 2, 3)
    assert not ratings.is_simulated


def test_a_film_has_its_article_in_front_and_its_year_apart(folder):
    assert movie_ratings(root=folder).films == (
        Film("Plain Film", 1995, ("Comedy", "Drama")),
        Film("The American Story", 1996, ("Drama",)),
        Film("Without Year", None, ()),
    )


@pytest.mark.parametrize(
    ("written", "title", "year"),
    [
        ("Lost City, The (Cité perdue, La) (1995)", "The Lost City (Cité perdue, La)", 1995),
        ("Avventura, L' (1960)", "L'Avventura", 1960),
        ("Series (2006–2007)", "Series", 2006),
        ("Series (2006-)", "Series", 2006),
        ("1984 (Nineteen Eighty-Four) (1984)", "1984 (Nineteen Eighty-Four)", 1984),
        ("Spaces behind (2001) ", "Spaces behind", 2001),
        ("Good, Bad, Other, The (1966)", "The Good, Bad, Other", 1966),
        ("Babylon 5", "Babylon 5", None),
    ],
)
def test_titles_of_every_spelling(written, title, year):
    film = movies._film(written, "Drama")
    assert (film.title, film.year) == (title, year)


def test_a_tag_is_kept_with_writer_and_time_if_its_writer_rates(folder):
    assert movie_ratings(root=folder).tags == (FilmTag(0, 1, "slow but good", 1_200_000_001),)


def test_another_archive_is_refused(folder):
    path = folder / MOVIELENS_SMALL.filename
    path.write_bytes(archive(TABLES | {"tags.csv": "userId,movieId,tag,timestamp\n"}))
    with pytest.raises(DataIntegrityError, match="MovieLens ratings"):
        movie_ratings(root=folder)


def test_without_archive_or_network_invented_films_serve_and_say_that_they_are_simulated():
    with pytest.warns(DataFallbackWarning, match=r"142 films that were invented .* simulated"):
        ratings = movie_ratings(offline=True)
    assert ratings.is_simulated
    assert "simulated" in ratings.source.description
    assert torch.equal(ratings.items, movie_sample().items)


@needs_data
def test_the_real_archive_holds_what_its_readme_says():
    ratings = movie_ratings(root=DATA_FOLDER)
    assert (len(ratings), ratings.n_users, ratings.n_items) == (100_836, 610, 9_742)
    assert len(ratings.tags) == 3_683
    assert int(torch.bincount(ratings.users).min()) == 20
    assert ratings.films[10].title == "The American President"
    assert sum(film.year is None for film in ratings.films) == 12
    assert sum(not film.genres for film in ratings.films) == 34


# --- what stands in -----------------------------------------------------------------------------


def test_the_invented_films_are_complete_and_none_is_there_twice():
    films = movie_sample().films
    assert len({film.title for film in films}) == len(films) == 142
    assert sum(not film.title.isascii() for film in films) == 12
    for film in films:
        assert film.year in range(1990, 2019)
        assert film.genres
        assert len(film.plot) > 15
        assert film.plot[-1] in ".。"


def test_simulated_people_rate_no_film_twice_and_none_before_it_came_out():
    ratings = movie_sample()
    assert ratings.n_users == 120
    pairs = ratings.users * ratings.n_items + ratings.items
    assert len(pairs.unique()) == len(ratings)
    years = torch.tensor([film.year for film in ratings.films])[ratings.items]
    assert (ratings.seconds >= (years - 1970) * 365.25 * 86_400 - 1).all()
    assert set((2 * ratings.stars).tolist()) <= set(map(float, range(1, 11)))
    counts = torch.bincount(ratings.users)
    assert int(counts.min()) >= 15
    assert 30 < float(counts.float().median()) < 70


def test_simulated_ratings_come_in_order_and_some_share_a_second():
    ratings = movie_sample()
    same = ratings.users[1:] == ratings.users[:-1]
    gaps = (ratings.seconds[1:] - ratings.seconds[:-1])[same]
    assert int(gaps.min()) == 0
    assert 0.2 < float((gaps == 0).float().mean()) < 0.45


def test_the_famous_films_are_rated_first():
    """What is left for a person's end is rarer: so the last fifth is harder to guess."""
    for seed in range(3):
        ratings = movie_sample(seed=seed)
        counts = torch.bincount(ratings.items, minlength=ratings.n_items).double()
        place = torch.cat([torch.linspace(0, 1, n) for n in torch.bincount(ratings.users).tolist()])
        early, late = (counts[ratings.items[part]].mean() for part in (place < 0.2, place > 0.8))
        assert early > 1.05 * late


def test_people_who_like_a_genre_give_it_more_stars():
    """Taste decides both what is rated and how: stars of one genre vary between people."""
    ratings = movie_sample()
    of_genre = torch.tensor(["Horror" in film.genres for film in ratings.films])[ratings.items]
    means = []
    for user in range(ratings.n_users):
        of_user = ratings.users == user
        if (of_user & of_genre).sum() >= 4:
            other = ratings.stars[of_user & ~of_genre].mean()
            means.append(float(ratings.stars[of_user & of_genre].mean() - other))
    assert torch.tensor(means).std() > 0.25


def test_a_seed_decides_everything_and_another_one_draws_other_people():
    assert torch.equal(movie_sample(seed=1).stars, movie_sample(seed=1).stars)
    assert not torch.equal(movie_sample(seed=1).items[:50], movie_sample(seed=2).items[:50])
    assert movie_sample(30).n_users == 30


def test_too_little_to_rate_is_refused():
    rng = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="2 years and 1 lists"):
        simulated_ratings([1990, 1991], [["Drama"]], rng=rng)
    with pytest.raises(ValueError, match="24 films or more"):
        simulated_ratings([2010] * 30, [["Drama"]] * 30, rng=rng)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"items": torch.tensor([0, 1, 3])}, r"places among the 3 films, got 0 to 3"),
        ({"items": torch.tensor([0, -1, 2])}, r"got -1 to 2"),
        ({"users": torch.tensor([0, -1, 2])}, r"counted from 0, got -1"),
        ({"stars": torch.tensor([8.0, 3.0, 10.0])}, r"at most 5, .* got 3 to 10; .*stars / 2"),
        ({"stars": torch.tensor([4.0, torch.nan, 5.0])}, "stars must be above 0"),
    ],
)
def test_columns_that_do_not_belong_together_are_refused(change, sentence):
    columns = {
        "films": tuple(Film(str(i), None, ()) for i in range(3)),
        "users": torch.tensor([0, 0, 1]),
        "items": torch.tensor([0, 1, 2]),
        "stars": torch.ones(3),
        "seconds": torch.tensor([1, 2, 3]),
        "tags": (),
        "source": HERE,
    }
    with pytest.raises(ValueError, match=sentence):
        MovieRatings(**(columns | change))
