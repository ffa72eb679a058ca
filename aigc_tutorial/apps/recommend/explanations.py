"""One line that says why a film is recommended, and a reader that checks each of its claims."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch

from aigc_tutorial.data import Film
from aigc_tutorial.data.checks import require_rng

Corruption = Literal["genre", "year", "stars", "history", "film", "addition"]
CORRUPTIONS: tuple[Corruption, ...] = get_args(Corruption)
"""Kinds of falsehood that :func:`corrupt` makes."""

_ADDITIONS = (
    "It won three prizes.",
    "Your friends liked it.",
    "You will love it.",
    "It is the best of its kind.",
)


@dataclass(frozen=True)
class Claims:
    """What a sentence says.

    Attributes:
        title: of the film that is recommended.
        year: of the same; None where none is named.
        genres: that it is said to share with the films of the history.
        because: title and stars of one or two films of the person's history.
    """

    title: str
    year: int | None
    genres: tuple[str, ...]
    because: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Facts:
    """What is known, against which claims are checked.

    Attributes:
        films: all of them.
        stars: what a person gave, by the film's number; the history.
    """

    films: Sequence[Film]
    stars: Mapping[int, float]

    def named(self, title: str) -> list[int]:
        """Numbers of the films of a title; several films may share one."""
        return [i for i, film in enumerate(self.films) if film.title == title]


def claims_for(film: int, because: Sequence[int], facts: Facts) -> Claims | None:
    """The true claims that can be made of a recommendation.

    Args:
        film: that is recommended.
        because: films of the history to name, at most two.
        facts: from which all is taken.

    Returns:
        None where the film shares no genre with the films of the history that are to be named, or
        a title cannot be quoted.

    Raises:
        ValueError: if a film that is to be named is not in the history.
    """
    named = list(dict.fromkeys(because))[:2]
    if unknown := [i for i in named if i not in facts.stars]:
        raise ValueError(f"film {unknown[0]} is not in the history and cannot be a reason")
    if "”" in "".join(facts.films[i].title for i in (film, *named)):
        return None
    shared = set(facts.films[film].genres)
    for i in named:
        shared &= set(facts.films[i].genres)
    if not shared or not named:
        return None
    genres = tuple(genre for genre in facts.films[film].genres if genre in shared)
    told = tuple((facts.films[i].title, facts.stars[i]) for i in named)
    return Claims(facts.films[film].title, facts.films[film].year, genres, told)


def write(claims: Claims, form: int = 0) -> str:
    """A sentence that says it, in one of two forms.

    >>> claims = Claims("Zero Hour", 2001, ("Crime", "Drama"), (("First", 5.0), ("Second", 4.5)))
    >>> print(write(claims, 0))
    You gave “First” 5 stars and “Second” 4.5 stars. “Zero Hour” (2001) is crime and drama too.
    >>> print(write(claims, 1))
    “Zero Hour” (2001): crime and drama, like “First” (5 stars) and “Second” (4.5 stars).

    Args:
        claims: what is to be said.
        form: 0 or 1.

    Raises:
        ValueError: for another form, or a title that holds a closing quotation mark “”: nobody
            could read where it ends.
    """
    if form not in (0, 1):
        raise ValueError(f"form must be 0 or 1, got {form!r}")
    for title in (claims.title, *(name for name, _ in claims.because)):
        if "”" in title:
            raise ValueError(f"the title {title!r} holds a ”, with which titles end in a line")
    film = f"“{claims.title}”" + (f" ({claims.year})" if claims.year is not None else "")
    genres = _listed([genre.lower() for genre in claims.genres])
    if form == 0:
        told = _listed([f"“{title}” {stars:g} stars" for title, stars in claims.because])
        return f"You gave {told}. {film} is {genres} too."
    told = _listed([f"“{title}” ({stars:g} stars)" for title, stars in claims.because])
    return f"{film}: {genres}, like {told}."


_TITLE = r"“([^”]+)”"
_FILM = rf"{_TITLE}(?: \((\d{{4}})\))?"
_STARS = r"(\d(?:\.\d)?) stars"
_GENRES = r"([\w-]+(?:(?:, | and )[\w-]+)*)"
_FORMS = (
    re.compile(
        rf"You gave (?P<told>{_TITLE} {_STARS}(?: and {_TITLE} {_STARS})?)\. "
        rf"(?P<film>{_FILM}) is (?P<genres>{_GENRES}) too\."
    ),
    re.compile(
        rf"(?P<film>{_FILM}): (?P<genres>{_GENRES}), like "
        rf"(?P<told>{_TITLE} \({_STARS}\)(?: and {_TITLE} \({_STARS}\))?)\."
    ),
)


def read(sentence: str) -> Claims | None:
    """What a sentence claims, or None where it says more, or otherwise, than can be read.

    Args:
        sentence: by whomever it was written.
    """
    for form in _FORMS:
        if match := form.fullmatch(sentence.strip()):
            title, year = re.fullmatch(_FILM, match["film"]).groups()  # type: ignore[union-attr]
            told = re.findall(rf"{_TITLE} \(?{_STARS}", match["told"])
            genres = tuple(re.split(r", | and ", match["genres"]))
            because = tuple((name, float(stars)) for name, stars in told)
            return Claims(title, int(year) if year else None, genres, because)
    return None


def faults(sentence: str, film: int, facts: Facts) -> list[str]:
    """What is wrong with an explanation, as one line each; nothing if all of it is true.

    The sentence is read anew, and every claim is looked up. What cannot be read is a fault.

    Args:
        sentence: the explanation.
        film: that is recommended.
        facts: what is known.
    """
    claims = read(sentence)
    if claims is None:
        return ["it cannot be read; it says something that is not in the facts"]
    found, real = [], facts.films[film]
    if claims.title != real.title:
        found.append(f"“{claims.title}” is not the film that is recommended")
    if claims.year is not None and claims.year != real.year:
        known = f"in {real.year}" if real.year is not None else "in a year that is not known"
        found.append(f"it came out {known}, not in {claims.year}")
    histories = []
    for title, stars in claims.because:
        seen = [i for i in facts.named(title) if i in facts.stars]
        if not seen:
            found.append(f"“{title}” is not in the history")
        elif stars not in [facts.stars[i] for i in seen]:
            found.append(f"“{title}” was given {facts.stars[seen[0]]:g} stars, not {stars:g}")
        histories.append({genre.lower() for i in seen for genre in facts.films[i].genres})
    for genre in claims.genres:
        if genre.lower() not in {name.lower() for name in real.genres}:
            found.append(f"it is not {genre}")
        elif any(history and genre.lower() not in history for history in histories):
            found.append(f"not all the films that are named are {genre}")
    return found


def corrupt(
    claims: Claims, kind: Corruption, facts: Facts, *, form: int = 0, rng: torch.Generator
) -> str:
    """A false sentence, made of a true one by one change.

    Args:
        claims: true ones.
        kind: what is changed: a genre, the year, the stars, a film of the history for one that the
            person has not seen, the recommended film for another, or a sentence that is added.
        facts: what is known, so that the change makes it false.
        form: of the sentence.
        rng: draws the change.

    Raises:
        ValueError: for another kind, or where the facts hold nothing that would make it false.
    """
    require_rng(rng)
    if kind not in CORRUPTIONS:
        raise ValueError(f"kind must be one of {', '.join(CORRUPTIONS)}, got {kind!r}")

    def draw(options: Sequence[str]) -> str:
        if not options:
            raise ValueError(f"no other {kind} is known, so this claim cannot be made false")
        return options[int(torch.randint(len(options), (), generator=rng))]

    first, *others = claims.because
    if kind == "genre":
        own = {g for i in facts.named(claims.title) for g in facts.films[i].genres}
        all_genres = {genre for film in facts.films for genre in film.genres}
        wrong = draw(sorted(all_genres - own))
        changed = replace(claims, genres=(*claims.genres[:-1], wrong))
    elif kind == "year":
        away = (1, -1, 2, -3, 10, -10, 20)[int(torch.randint(7, (), generator=rng))]
        changed = replace(claims, year=(claims.year or 2000) + away)
    elif kind == "stars":
        known = {facts.stars[i] for i in facts.named(first[0]) if i in facts.stars}
        wrong_stars = draw([f"{half / 2}" for half in range(1, 11) if half / 2 not in known])
        changed = replace(claims, because=((first[0], float(wrong_stars)), *others))
    elif kind == "history":
        seen = {facts.films[i].title for i in facts.stars}
        unseen = [film.title for film in facts.films if film.title not in seen]
        title = draw([title for title in unseen if "”" not in title])
        changed = replace(claims, because=((title, first[1]), *others))
    elif kind == "film":
        others_titles = [film.title for film in facts.films if film.title != claims.title]
        changed = replace(claims, title=draw([t for t in others_titles if "”" not in t]))
    else:
        return f"{write(claims, form)} {draw(_ADDITIONS)}"
    return write(changed, form)


def _listed(parts: Sequence[str]) -> str:
    """The parts with commas, and "and" before the last."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
