"""Checks of what recommending is given, with a sentence where it cannot be right."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from aigc_tutorial.apps.checks import as_texts
from aigc_tutorial.data import MovieRatings


def require_share(value: float, name: str, *, up_to: float = 1.0) -> float:
    """A share above 0 and up to a bound.

    Raises:
        ValueError: if it is none, NaN for example.
    """
    if not 0 < value <= up_to:
        raise ValueError(f"{name} must be above 0 and at most {up_to:g}, got {value}")
    return float(value)


def require_seen(seen: Shaped[Tensor, "U I"], n_films: int | None = None) -> Float[Tensor, "U I"]:
    """Who has seen what: a row for each person, a column for each film, 1 or 0.

    Args:
        seen: the matrix.
        n_films: how many columns it must have; None for any number.

    Returns:
        It in float32, or in float64 if it is that: in bytes, and in half a precision, 256 films
        that two people have both seen would count as none, or as some others do.

    Raises:
        ValueError: if it is empty, of another shape, or holds other numbers, stars for example.
    """
    if seen.ndim != 2 or 0 in seen.shape:
        raise ValueError(f"seen must have a row a person and a column a film, got {(*seen.shape,)}")
    if not ((seen == 0) | (seen == 1)).all():
        raise ValueError(
            "seen must hold 1 where a person has rated a film and 0 elsewhere; of counts or stars "
            "(counts > 0).float() makes it"
        )
    if n_films is not None and seen.shape[1] != n_films:
        raise ValueError(f"seen has {seen.shape[1]} columns, and there are {n_films} films")
    return seen if seen.dtype == torch.float64 else seen.float()


def require_part(ratings: MovieRatings, part: Tensor, name: str) -> Bool[Tensor, " N"]:
    """A part of the ratings, True where a rating belongs to it.

    Raises:
        ValueError: if it is not as long as the ratings, or not of truth values.
    """
    if part.dtype != torch.bool or part.shape != (len(ratings),):
        raise ValueError(
            f"{name} must hold a truth value for each of the {len(ratings)} ratings, got "
            f"{(*part.shape,)} of {part.dtype}"
        )
    return part


def require_texts(texts: Sequence[str], seen: Float[Tensor, "U I"] | None = None) -> Sequence[str]:
    """A text for each film, and words in them.

    Raises:
        ValueError: if one text is given alone, if there are not as many as films, or if none holds
            a word.
    """
    texts = as_texts(texts)
    if seen is not None and len(texts) != seen.shape[1]:
        raise ValueError(f"there are {len(texts)} texts and {seen.shape[1]} films")
    if not any(any(letter.isalnum() for letter in text) for text in texts):
        raise ValueError("no text holds a word, so there is nothing to compare")
    return texts
