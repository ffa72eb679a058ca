"""Simulated people who rate films: tastes, fashions, and the order in which films are met."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

_DAY = 86_400
_YEAR = 365.25 * _DAY
_FIRST_YEAR, _LAST_YEAR = 2000, 2019  # ratings lie between the beginnings of these
_N_HIDDEN = 3


@dataclass(frozen=True)
class SimulatedRatings:
    """Ratings, person by person, each person's in the order of time.

    Attributes:
        users: who rates, from 0.
        items: which film, from 0.
        stars: 0.5 to 5, in halves.
        seconds: when, since 1970; several ratings may share a second.
    """

    users: Int64[Tensor, " N"]
    items: Int64[Tensor, " N"]
    stars: Float[Tensor, " N"]
    seconds: Int64[Tensor, " N"]


def simulated_ratings(
    years: Sequence[int],
    genres: Sequence[Sequence[str]],
    *,
    n_users: int = 120,
    rng: torch.Generator,
) -> SimulatedRatings:
    r"""Let made-up people rate films whose years and genres are given.

    Everything is drawn from normal distributions. A person has a taste for each genre, which
    drifts over the years, and for three hidden traits of films that no text tells; a film has its
    hidden traits, a quality and a fame. A person joins at some time, for one evening or for
    several over the years. In an evening the person rates one film after another: the next is the
    one with the greatest

    .. math:: \text{fame} + \text{taste} + 2 e^{-\text{age} / 2\,\text{years}} + \text{Gumbel noise}

    among those that are out and not rated yet, which draws without replacement from a softmax.
    So the famous films come first, and what is left for the end is harder to guess, as it is with
    people. Stars are the taste and the quality, with noise, rounded to halves. A third of the
    ratings have the second of the one before, as on a page on which several films are clicked.

    Args:
        years: when each film came out, at the beginning of the year.
        genres: of each film.
        n_users: how many people.
        rng: source of randomness, on the CPU.

    Raises:
        ValueError: if there are not as many lists of genres as years, or too few films that were
            out when the first person came.
    """
    require_rng(rng)
    n_users = as_count(n_users, "n_users")
    if len(years) != len(genres):
        raise ValueError(
            f"every film needs a year and a list of genres; got {len(years)} years and "
            f"{len(genres)} lists"
        )
    if sum(year <= _FIRST_YEAR for year in years) < 24:
        raise ValueError(
            f"the first people come in {_FIRST_YEAR} and need something to rate; expected 24 "
            "films or more that were out by then"
        )
    traits = _traits_of_films(genres, rng)
    n_films, n_traits = traits.shape
    fame, quality = torch.randn(2, n_films, generator=rng)
    released = (torch.tensor(years, dtype=torch.float64) - 1970) * _YEAR

    rows = []
    for user in range(n_users):
        taste, drift = torch.randn(2, n_traits, generator=rng)
        kindness = 0.4 * torch.randn((), generator=rng)
        unrated = torch.ones(n_films, dtype=torch.bool)
        end = 0.0
        for evening in _evenings(rng):
            begin = max(evening, end)
            years_on = (begin - (_FIRST_YEAR - 1970) * _YEAR) / _YEAR
            liking = traits @ (taste + 0.06 * years_on * drift)
            age = (begin - released) / _YEAR
            noise = -(-torch.rand(n_films, generator=rng).clamp(1e-6, 1 - 1e-6).log()).log()
            pull = fame + liking + 2 * torch.exp(-age.clamp(min=0) / 2).float() + noise
            open_to = unrated & (age >= 0)
            n = min(int(torch.randint(8, 24, (), generator=rng)), int(open_to.sum()))
            chosen = pull.masked_fill(~open_to, -torch.inf).topk(n).indices
            unrated[chosen] = False
            stars = 3.3 + 0.5 * liking + 0.4 * quality + kindness
            stars = stars[chosen] + 0.5 * torch.randn(n, generator=rng)
            pauses = torch.randint(2, 90, (n,), generator=rng)
            pauses *= torch.rand(n, generator=rng) > 1 / 3
            seconds = int(begin) + pauses.cumsum(0)
            end = begin + _DAY / 24
            rows.append((torch.full((n,), user), chosen, stars, seconds))
    columns = [torch.cat(column) for column in zip(*rows, strict=True)]
    columns[2] = (2 * columns[2]).round().clamp(1, 10) / 2
    return SimulatedRatings(*columns)


def _traits_of_films(genres: Sequence[Sequence[str]], rng: torch.Generator) -> Float[Tensor, "I K"]:
    """Genres of unit length in all, and hidden traits of about the same weight."""
    names = sorted({name for of_film in genres for name in of_film})
    shown = torch.tensor([[float(name in of_film) for name in names] for of_film in genres])
    shown = shown / shown.norm(dim=1, keepdim=True).clamp(min=1)
    hidden = torch.randn(len(genres), _N_HIDDEN, generator=rng) / _N_HIDDEN**0.5
    return torch.cat([shown, hidden], dim=1)


def _evenings(rng: torch.Generator) -> list[float]:
    """When a person rates: seconds since 1970, in order."""
    first, last = ((year - 1970) * _YEAR for year in (_FIRST_YEAR, _LAST_YEAR))
    joined = first + float(torch.rand((), generator=rng)) * (last - first - _YEAR)
    n = int(torch.randint(1, 6, (), generator=rng))
    if n < 3:  # two of five people rate all on one day
        return [joined, joined + 3_600]
    later = torch.rand(n - 1, generator=rng).sort().values * 3 * _YEAR
    return [joined, *(min(joined + float(pause), last - _DAY) for pause in later)]
