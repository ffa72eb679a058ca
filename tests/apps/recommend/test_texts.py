"""Lines about films without what a tag would give away, and the comparison of lines."""

import dataclasses

import pytest
import torch

from aigc_tutorial.apps import recommend
from aigc_tutorial.data import FilmTag, movie_sample


def test_a_line_holds_what_is_known():
    ratings = movie_sample()
    line = recommend.film_texts(ratings)[0]
    film = ratings.films[0]
    assert line == f"{film.title} ({film.year}). {', '.join(film.genres)}. {film.plot}"
    bare = dataclasses.replace(film, year=None, genres=(), plot="")
    changed = dataclasses.replace(ratings, films=(bare, *ratings.films[1:]))
    assert recommend.film_texts(changed)[0] == f"{film.title}."


def test_a_tag_is_known_only_with_the_rating_of_its_writer():
    """Who tags a film has seen it: a tag from the test would be its answer."""
    ratings = movie_sample()
    user, item = int(ratings.users[0]), int(ratings.items[0])
    other = int(ratings.users[-1])
    tags = (
        FilmTag(user, item, "Slow Burn", 9),
        FilmTag(user, item, "slow burn", 10),
        FilmTag(user, item, "clever", 8),
        FilmTag(other, item, "hidden", 1),
    )
    ratings = dataclasses.replace(ratings, tags=tags)
    learned = torch.zeros(len(ratings), dtype=torch.bool)
    assert "clever" not in recommend.film_texts(ratings, learned)[item]
    assert "clever" not in recommend.film_texts(ratings)[item]
    learned[0] = True
    line = recommend.film_texts(ratings, learned)[item]
    assert "clever, slow burn." in line
    assert "hidden" not in line
    assert "clever." in recommend.film_texts(ratings, learned, n_tags=1)[item]


def test_tfidf_scores_are_cosines_to_the_sum_of_the_history():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["war film of the north.", "love in the north.", "war of stars.", "love and stars."]
    seen = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 0]])
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts).toarray()
    words = torch.from_numpy(words).float()
    scores = recommend.tfidf_scores(seen, texts)
    for user in range(2):
        for film in range(4):
            cosine = torch.nn.functional.cosine_similarity(seen[user] @ words, words[film], dim=0)
            assert float(scores[user, film]) == pytest.approx(float(cosine), abs=1e-5)


def test_profiles_find_the_same_genre():
    ratings = movie_sample()
    seen = torch.zeros(1, ratings.n_items)
    of_genre = torch.tensor(["Horror" in film.genres for film in ratings.films])
    seen[0, of_genre.nonzero()[:8, 0]] = 1
    task = recommend.Task(
        seen, (of_genre & (seen == 0)), torch.ones(ratings.n_items, dtype=torch.bool)
    )
    texts = recommend.film_texts(ratings)
    for scores in (
        recommend.tfidf_scores(seen, texts),
        recommend.profile_scores(seen, recommend.tfidf_features(texts, 64)),
    ):
        assert float(recommend.evaluate(scores, task).auc.mean()) > 0.7


def test_genres_are_marked_film_by_film():
    ratings = movie_sample()
    features = recommend.genre_features(ratings)
    assert features.sum(1).tolist() == [len(film.genres) for film in ratings.films]
    horror = torch.tensor(["Horror" in film.genres for film in ratings.films])
    assert any(torch.equal(column > 0, horror) for column in features.T)
