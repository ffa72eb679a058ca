"""Financial headlines: what they say of a price, and what they are about."""

import csv
import hashlib
import io
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.data.catalogue import FINANCIAL_NEWS_TEST, FINANCIAL_NEWS_TRAIN
from aigc_tutorial.data.fetch import DataUnavailableError, Source, fetch, warn_of_fallback

logger = logging.getLogger(__name__)

NewsSplit = Literal["train", "validation", "test"]
SENTIMENTS = ("bearish", "bullish", "neutral")
"""What the labels 0, 1 and 2 mean."""

# In which row each topic begins. No column says it: the rows lie by topic, in each by sentiment,
# there by the alphabet, so a topic begins where sentiment or alphabet start again. Names are ours.
_TOPICS_TRAIN = {
    0: "analysts", 395: "rates and currencies", 751: "companies", 2085: "rates and currencies",
    2221: "earnings", 2930: "energy and metals", 3249: "earnings", 3631: "rates and currencies",
    3697: "general", 5555: "energy and metals", 5659: "deals", 5717: "companies", 5904: "deals",
    6155: "economy", 6615: "markets", 7113: "politics", 7481: "companies", 7666: "commentary",
    8937: "markets",
}  # fmt: skip
_TOPICS_TEST = {
    0: "analysts", 106: "rates and currencies", 181: "companies", 507: "rates and currencies",
    551: "earnings", 750: "energy and metals", 835: "earnings", 932: "rates and currencies",
    950: "general", 1412: "energy and metals", 1437: "deals", 1446: "companies", 1486: "deals",
    1553: "economy", 1670: "markets", 1774: "politics", 1870: "companies", 1912: "commentary",
    2237: "markets",
}  # fmt: skip

_TOPICS = (_TOPICS_TRAIN, _TOPICS_TEST)

_OWN = Path(__file__).with_name("news") / "headlines.tsv"
_OWN_DESCRIPTION = (
    "260 headlines, made up, in English and Chinese, which aigc_tutorial brings along"
)
_OWN_SOURCE = Source("embedded", "aigc_tutorial.data.news", f"{_OWN_DESCRIPTION}.")
_VALIDATION_PERCENT = 15
_LINK = re.compile(r"https?://\S+")
_LEADING_SYMBOLS = re.compile(r"^(?:\$\w+\s+)+[-–]\s+")


@dataclass(frozen=True)
class Headline:
    """A headline or a tweet.

    Attributes:
        text: its words.
        label: of its sentiment, a position in ``SENTIMENTS``.
        topic: what it is about.
    """

    text: str
    label: int
    topic: str

    def __post_init__(self) -> None:
        """Check the label.

        Raises:
            ValueError: if it names no sentiment.
        """
        if self.label not in range(len(SENTIMENTS)):
            raise ValueError(
                f"label must be 0 for bearish, 1 for bullish or 2 for neutral, got {self.label!r}"
            )


@dataclass(frozen=True)
class NewsDataset:
    """Headlines, and where they came from.

    Attributes:
        headlines: in the order of the source, which is none of time.
        source: what was really read.
        part: which part of the whole they are.
        n_duplicates: headlines left out because the same story had come before in their file.
        n_leaks: headlines left out because their story is in the training file.
    """

    headlines: tuple[Headline, ...] = field(repr=False)
    source: Source
    part: NewsSplit
    n_duplicates: int = 0
    n_leaks: int = 0

    def __len__(self) -> int:
        """Number of headlines."""
        return len(self.headlines)

    def __getitem__(self, index: int) -> Headline:
        """One headline."""
        return self.headlines[index]

    @property
    def texts(self) -> list[str]:
        """Their words."""
        return [headline.text for headline in self.headlines]

    @property
    def labels(self) -> Int64[Tensor, " N"]:
        """Their sentiments, as positions in ``SENTIMENTS``."""
        return torch.tensor([headline.label for headline in self.headlines], dtype=torch.int64)

    @property
    def topics(self) -> list[str]:
        """What each is about."""
        return [headline.topic for headline in self.headlines]


def financial_news(
    split: NewsSplit = "train",
    *,
    as_published: bool = False,
    root: str | Path | None = None,
    offline: bool | None = None,
) -> NewsDataset:
    """11,931 tweets of 2019 and 2020 about companies and markets: bearish, bullish or neutral.

    The tweets bear no time. They are published as a file to train on and one to validate on. Here
    the second is the test set, without the tweets whose story is in the first; of the first 15 %
    of the stories, chosen by their SHA-256, are for validation. What :func:`story_key` makes equal
    is one story: it is kept once, and no story is on two sides. Links are taken out, and tweets
    without a word left away.

    The topics are not published with them: they show in the order of the rows, and their names are
    ours.

    Looked for in ``root`` (or the folder ``AIGC_TUTORIAL_DATA``), then in the cache, then
    downloaded: two files, 1.1 MB. If the tweets cannot be had, :func:`news_sample` stands in, with
    a :class:`DataFallbackWarning`. ``source`` says what was used.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        as_published: every tweet of a file as it stands, with links, duplicates and leaks; there
            is no part for validation then.
        root: folder that holds ``financial_news/sent_train.csv`` and ``sent_valid.csv``.
        offline: whether to forbid the download; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Raises:
        ValueError: ``split`` is none, or no part of the tweets as published.
        DataIntegrityError: a file in the data folder is not what it should be.
        CacheError: the cache folder cannot be written.

    Source: zeroshot/twitter-financial-news-sentiment (MIT licence), 2022.
    """
    _check_split(split)
    if as_published and split == "validation":
        raise ValueError(
            "as published there is one file to train on and one to test on; cut a part for "
            'validation out of the first yourself, or load "validation" without as_published'
        )
    try:
        contents, source = fetch(
            [FINANCIAL_NEWS_TRAIN, FINANCIAL_NEWS_TEST], root=root, offline=offline
        )
    except DataUnavailableError as error:
        logger.info("%s", error)
        warn_of_fallback(
            f"The financial tweets could not be found or downloaded; using {_OWN_DESCRIPTION}. "
            "Expect other numbers than with all 11,931.",
            error,
        )
        return news_sample(split)
    files = dict(zip(("train", "test"), zip(contents, _TOPICS, strict=True), strict=True))
    headlines = parse_tweets(*files["test" if split == "test" else "train"])
    if as_published:
        return NewsDataset(tuple(headlines), source, split)
    kept, n_duplicates = _stories(headlines)
    if split == "test":
        seen = {story_key(headline.text) for headline in parse_tweets(*files["train"])}
        fresh = [headline for key, headline in kept.items() if key not in seen]
        return NewsDataset(tuple(fresh), source, split, n_duplicates, len(kept) - len(fresh))
    part = [h for key, h in kept.items() if _is_for_validation(key) == (split == "validation")]
    return NewsDataset(tuple(part), source, split, n_duplicates)


def news_sample(split: NewsSplit = "train") -> NewsDataset:
    """260 headlines, made up, about five topics; one in nine is Chinese.

    They come with the package, so they are the same for every reader. No company in them exists.
    Of each topic and sentiment one in six is for validation, two in six are for the test.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.

    Raises:
        ValueError: ``split`` is none.
    """
    _check_split(split)
    chosen: list[Headline] = []
    seen: Counter[tuple[str, str]] = Counter()
    for line in _OWN.read_text(encoding="utf-8").splitlines():
        topic, sentiment, text = line.split("\t")
        place = seen[topic, sentiment] % 6
        seen[topic, sentiment] += 1
        if split == {5: "validation", 1: "test", 3: "test"}.get(place, "train"):
            chosen.append(Headline(text, SENTIMENTS.index(sentiment), topic))
    return NewsDataset(tuple(chosen), _OWN_SOURCE, split)


def parse_tweets(content: bytes, topic_starts: dict[int, str]) -> list[Headline]:
    """Read a file of tweets: CSV with the columns text and label.

    Args:
        content: the file's, in UTF-8.
        topic_starts: the topic of each block of rows, by its first row.
    """
    headlines, topic = [], ""
    for i, row in enumerate(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))):
        topic = topic_starts.get(i, topic)
        headlines.append(Headline(row["text"], int(row["label"]), topic))
    return headlines


def story_key(text: str) -> str:
    """What two tweets of one story have in common: the words, in small letters.

    Links, signs, and the stock symbols that some agencies put before a dash are left out; digits
    stay.

    >>> story_key("$TAP - Barclays cools on Molson Coors https://t.co/FJFsZWJHuH")
    'barclays cools on molson coors'
    """
    return " ".join(re.findall(r"\w+", _LEADING_SYMBOLS.sub("", _without_links(text)).casefold()))


def _without_links(text: str) -> str:
    return " ".join(_LINK.sub(" ", text).split())


def _stories(headlines: Sequence[Headline]) -> tuple[dict[str, Headline], int]:
    """The first tweet of each story, without links, by its key; and how many others there were."""
    first: dict[str, Headline] = {}
    n_empty = 0
    for headline in headlines:
        if key := story_key(headline.text):
            first.setdefault(key, replace(headline, text=_without_links(headline.text)))
        else:
            n_empty += 1
    return first, len(headlines) - n_empty - len(first)


def _is_for_validation(key: str) -> bool:
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < _VALIDATION_PERCENT


def _check_split(split: str) -> None:
    if split not in get_args(NewsSplit):
        raise ValueError(f"split is {split!r}; expected one of {', '.join(get_args(NewsSplit))}")
