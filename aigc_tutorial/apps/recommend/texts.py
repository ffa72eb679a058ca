"""What is written about a film, as one line, and the simplest comparison of such lines."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.apps.recommend.checks import require_part, require_seen, require_texts
from aigc_tutorial.data import MovieRatings
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count


def film_texts(
    ratings: MovieRatings, learned: Bool[Tensor, " N"] | None = None, *, n_tags: int = 6
) -> list[str]:
    """One line for each film: title, year, genres, tags, plot, as far as they are known.

    >>> from aigc_tutorial.data import movie_sample
    >>> print(film_texts(movie_sample())[1])
    Nine Pigeons for Dinner (1996). Comedy. A cook who cannot say no promises the same wedding \
feast to three families on one night.

    Args:
        ratings: films and tags.
        learned: the ratings that may be known. A tag is left out unless its writer's rating of the
            film is among them: whoever tags a film has seen it, and that is what the test asks.
            None leaves out all tags.
        n_tags: at most so many different tags, in the order of time; 0 for none.
    """
    n_tags = as_count(n_tags, "n_tags", at_least=0)
    known: set[tuple[int, int]] = set()
    if learned is not None:
        require_part(ratings, learned, "learned")
        pairs = zip(ratings.users[learned].tolist(), ratings.items[learned].tolist(), strict=True)
        known = set(pairs)
    tags: dict[int, dict[str, None]] = {}
    for tag in sorted(ratings.tags, key=lambda tag: tag.seconds):
        if (tag.user, tag.item) in known:
            tags.setdefault(tag.item, {})[tag.text.lower()] = None
    texts = []
    for i, film in enumerate(ratings.films):
        year = f" ({film.year})" if film.year is not None else ""
        parts = [
            film.title + year,
            ", ".join(film.genres),
            ", ".join(list(tags.get(i, ()))[:n_tags]),
        ]
        texts.append(" ".join(f"{part}." for part in parts if part) + f" {film.plot}".rstrip())
    return texts


def tfidf_scores(seen: Float[Tensor, "U I"], texts: Sequence[str]) -> Float[Tensor, "U I"]:
    """How like the words of what a person has seen a film's words are: the cosine of TF-IDF.

    Nothing is trained; it works for a film that nobody has seen.

    Args:
        seen: 1 where a person has seen a film.
        texts: of the films.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    words = _counted(require_texts(texts, require_seen(seen)))
    people = torch.from_numpy(words.T.dot(seen.double().numpy().T).T)
    people = torch.nn.functional.normalize(people, dim=1)
    return torch.from_numpy(words.dot(people.numpy().T).T).float()


def genre_features(ratings: MovieRatings) -> Float[Tensor, "I G"]:
    """1 for each genre of a film, the genres in alphabetical order: the shortest of descriptions.

    It cannot tell films of the same genres apart, so that nothing can be learned by heart.

    Args:
        ratings: for their films.

    Raises:
        ValueError: if no film has a genre.
    """
    names = sorted({genre for film in ratings.films for genre in film.genres})
    if not names:
        raise ValueError("no film has a genre, so genres describe nothing")
    return torch.tensor([[float(name in film.genres) for name in names] for film in ratings.films])


def tfidf_features(texts: Sequence[str], n_features: int) -> Float[Tensor, "I D"]:
    """The directions in which the TF-IDF of texts varies most.

    Args:
        texts: of the films.
        n_features: how many directions, at most.

    Raises:
        ValueError: if there are fewer than two films or two different words.
        MissingDependencyError: scikit-learn is not installed.
    """
    words = _counted(require_texts(texts))
    n = min(as_count(n_features, "n_features"), min(words.shape) - 1)
    if n < 1:
        raise ValueError(
            f"{words.shape[0]} texts with {words.shape[1]} words have no directions; "
            "two or more of both are needed"
        )
    decomposition = require("sklearn.decomposition", extra="apps")
    reduced = decomposition.TruncatedSVD(n, random_state=0).fit_transform(words)
    return torch.from_numpy(reduced).float()


def profile_scores(
    seen: Float[Tensor, "U I"], features: Float[Tensor, "I D"]
) -> Float[Tensor, "U I"]:
    """How like the mean of what a person has seen a film's features are: their cosine.

    Args:
        seen: 1 where a person has seen a film.
        features: of each film.
    """
    seen = require_seen(seen, len(features))
    unit = torch.nn.functional.normalize(features.to(seen) - features.to(seen).mean(0), dim=1)
    return torch.nn.functional.normalize(seen @ unit, dim=1) @ unit.T


def _counted(texts: Sequence[str]) -> Any:
    """Words and pairs of them, weighted by rarity, as a sparse matrix with rows of length 1."""
    text = require("sklearn.feature_extraction.text", extra="apps")
    return text.TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w[\w-]*\b"
    ).fit_transform(texts)
