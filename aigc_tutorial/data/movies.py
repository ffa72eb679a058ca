"""Films, and what people think of them: MovieLens, or invented films with simulated ratings."""

import csv
import io
import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.catalogue import MOVIELENS_SMALL
from aigc_tutorial.data.fetch import DataUnavailableError, Source, fetch, warn_of_fallback
from aigc_tutorial.data.synthetic.tastes import simulated_ratings
from aigc_tutorial.integers import as_count

logger = logging.getLogger(__name__)

_FOLDER_IN_ZIP = "ml-latest-small"
_INVENTED = Path(__file__).with_name("films") / "invented.tsv"
_DESCRIPTION = (
    "142 films that were invented for this package, with ratings by people whose tastes are "
    "simulated (aigc_tutorial.data.synthetic.tastes)"
)
_SOURCE = Source("embedded", "aigc_tutorial.data.films", f"{_DESCRIPTION}.")
_TITLE_AND_YEAR = re.compile(r"^(.*?)\s*\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
_ARTICLE_BEHIND = re.compile(
    r"^(.*?), (The|A|An|Le|La|Les|L'|Il|I|El|Los|Las|Der|Die|Das)( \(.*)?$"
)
_NO_GENRES = "(no genres listed)"


@dataclass(frozen=True)
class Film:
    """What is written about a film.

    Attributes:
        title: its title, the article in front.
        year: in which it came out; None if that is not known.
        genres: in the order of the source; none where it lists none.
        plot: one line on what happens; empty in MovieLens.
    """

    title: str
    year: int | None
    genres: tuple[str, ...]
    plot: str = ""


@dataclass(frozen=True)
class FilmTag:
    """A few words that somebody gave to a film.

    Attributes:
        user: who.
        item: which film.
        text: the words.
        seconds: when, since 1970.
    """

    user: int
    item: int
    text: str
    seconds: int


@dataclass(frozen=True)
class MovieRatings:
    """Ratings of films, and what is written about the films.

    Attributes:
        films: each film once, in the order of the source.
        users: who rates (N,), from 0.
        items: which film (N,), its place in ``films``.
        stars: 0.5 to 5 (N,), in halves.
        seconds: when (N,), since 1970.
        tags: words that some of the users gave to some of the films.
        source: what was really read.
    """

    films: tuple[Film, ...] = field(repr=False)
    users: Int64[Tensor, " N"] = field(repr=False)
    items: Int64[Tensor, " N"] = field(repr=False)
    stars: Float[Tensor, " N"] = field(repr=False)
    seconds: Int64[Tensor, " N"] = field(repr=False)
    tags: tuple[FilmTag, ...] = field(repr=False)
    source: Source

    def __post_init__(self) -> None:
        """Check that the columns belong together.

        Raises:
            ValueError: if they are of different lengths, rate films that are not there, or stars
                are of another scale.
        """
        lengths = {len(column) for column in (self.users, self.items, self.stars, self.seconds)}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                "users, items, stars and seconds must be equally long, with one rating or more; "
                f"got {sorted(lengths)}"
            )
        if int(self.items.min()) < 0 or int(self.items.max()) >= len(self.films):
            raise ValueError(
                f"items must be places among the {len(self.films)} films, got "
                f"{int(self.items.min())} to {int(self.items.max())}"
            )
        if int(self.users.min()) < 0:
            raise ValueError(f"users are counted from 0, got {int(self.users.min())}")
        if not bool(((self.stars > 0) & (self.stars <= 5)).all()):
            raise ValueError(
                "stars must be above 0 and at most 5, by which it is told what people liked, got "
                f"{float(self.stars.min()):g} to {float(self.stars.max()):g}; of a scale up to 10 "
                "stars / 2 makes it"
            )

    def __len__(self) -> int:
        """Number of ratings."""
        return len(self.users)

    @property
    def n_users(self) -> int:
        """Number of people."""
        return int(self.users.max()) + 1

    @property
    def n_items(self) -> int:
        """Number of films, those that nobody rated among them."""
        return len(self.films)

    @property
    def is_simulated(self) -> bool:
        """Whether films and ratings are invented."""
        return self.source.kind == "embedded"


def movie_ratings(*, root: str | Path | None = None, offline: bool | None = None) -> MovieRatings:
    """MovieLens, ml-latest-small: 100,836 ratings of 9,742 films by 610 people, 1996 to 2018.

    Looked for in ``root`` (or the folder ``AIGC_TUTORIAL_DATA``), then in the cache, then
    downloaded: 1 MB. If it cannot be had, :func:`movie_sample` stands in, invented films with
    simulated ratings, with a :class:`DataFallbackWarning`. ``source`` says what was used.

    People and films are numbered anew, from 0, in the order of their numbers in the source. The
    3,683 tags have their writers and times: a tag says that its writer has seen the film, and one
    from the time of the test is an answer, not a description.

    Args:
        root: folder that holds ``movielens/ml-latest-small.zip``.
        offline: whether to forbid the download; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Raises:
        DataIntegrityError: the file in the data folder is not what it should be.
        CacheError: the cache folder cannot be written.

    Source: Harper and Konstan (2015), GroupLens, University of Minnesota; for research, not for
    commercial use without permission.
    """
    try:
        (content,), source = fetch([MOVIELENS_SMALL], root=root, offline=offline)
    except DataUnavailableError as error:
        logger.info("%s", error)
        warn_of_fallback(
            f"MovieLens could not be found or downloaded; using {_DESCRIPTION}. Expect other "
            "numbers than with the whole data set. They say how the methods work, and nothing "
            "about films or people.",
            error,
        )
        return movie_sample()
    return parse_movielens(content, source)


def movie_sample(n_users: int = 120, *, seed: int = 0) -> MovieRatings:
    """142 invented films, 12 of them Chinese, rated by simulated people; the same everywhere.

    The films were written for this package; any likeness to real ones is chance. How their ratings
    are drawn is told by :func:`aigc_tutorial.data.simulated_ratings`.

    Args:
        n_users: how many people rate.
        seed: of their tastes and ratings.
    """
    as_count(n_users, "n_users")
    lines = _INVENTED.read_text(encoding="utf-8").splitlines()[1:]
    films = []
    for title, year, genres, plot in (line.split("\t") for line in lines):
        films.append(Film(title, int(year), tuple(genres.split("|")), plot))
    ratings = simulated_ratings(
        [film.year for film in films if film.year is not None],
        [film.genres for film in films],
        n_users=n_users,
        rng=torch.Generator().manual_seed(seed),
    )
    columns = ratings.users, ratings.items, ratings.stars, ratings.seconds
    return MovieRatings(tuple(films), *columns, (), _SOURCE)


def parse_movielens(content: bytes, source: Source) -> MovieRatings:
    """Read the archive of ml-latest-small.

    Args:
        content: the zip file.
        source: where it came from.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        films: list[Film] = []
        numbers: dict[str, int] = {}
        for number, title, genres in _rows(archive, "movies.csv"):
            numbers[number] = len(films)
            films.append(_film(title, genres))
        ratings = list(_rows(archive, "ratings.csv"))
        tags = list(_rows(archive, "tags.csv"))
    people = {number: i for i, number in enumerate(sorted({row[0] for row in ratings}, key=int))}
    return MovieRatings(
        tuple(films),
        torch.tensor([people[user] for user, _, _, _ in ratings]),
        torch.tensor([numbers[item] for _, item, _, _ in ratings]),
        torch.tensor([float(stars) for _, _, stars, _ in ratings]),
        torch.tensor([int(seconds) for _, _, _, seconds in ratings]),
        tuple(
            FilmTag(people[user], numbers[item], text.strip(), int(seconds))
            for user, item, text, seconds in tags
            if user in people
        ),
        source,
    )


def _rows(archive: zipfile.ZipFile, name: str) -> Iterator[list[str]]:
    """Lines of a table of the archive, without its head."""
    text = archive.read(f"{_FOLDER_IN_ZIP}/{name}").decode("utf-8")
    rows = csv.reader(io.StringIO(text))
    next(rows)
    return rows


def _film(title: str, genres: str) -> Film:
    """A film as MovieLens writes it: "American President, The (1995)", "Comedy|Drama"."""
    match = _TITLE_AND_YEAR.match(title)
    name, year = (match[1], int(match[2])) if match else (title.strip(), None)
    if parts := _ARTICLE_BEHIND.match(name):
        name, article, alias = parts.groups()
        gap = "" if article.endswith("'") else " "
        name = f"{article}{gap}{name}{alias or ''}"
    return Film(name, year, () if genres == _NO_GENRES else tuple(genres.split("|")))
