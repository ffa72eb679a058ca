"""Poems of the Tang dynasty, in traditional or simplified characters."""

import hashlib
import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from aigc_tutorial.data.catalogue import TANG_POEMS
from aigc_tutorial.data.fetch import DataUnavailableError, Source, fetch, warn_of_fallback
from aigc_tutorial.data.text import require_whole
from aigc_tutorial.environment import require

logger = logging.getLogger(__name__)

Script = Literal["traditional", "simplified"]
PoemForm = Literal["quatrain", "all"]
PoemSplit = Literal["train", "validation", "all"]

_EMBEDDED = Path(__file__).with_name("tang") / "eight_poets.json"
_EMBEDDED_DESCRIPTION = "1,014 quatrains of eight poets, which aigc_tutorial brings along"
_EMBEDDED_SOURCE = Source(
    "embedded",
    "aigc_tutorial.data.tang",
    f"{_EMBEDDED_DESCRIPTION}; taken from chinese-poetry (MIT licence).",
)
_END_OF_LINE = re.compile(r"[，。！？；、：]+")
_VALIDATION_PERCENT = 5


@dataclass(frozen=True)
class Poem:
    """A poem.

    Attributes:
        title: its title.
        author: who wrote it, as far as known.
        lines: its lines, without the punctuation that ends them.
    """

    title: str
    author: str
    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that the lines are several.

        Raises:
            TypeError: if they are one string: its characters would be taken for lines.
        """
        if isinstance(cast(object, self.lines), str):
            raise TypeError("lines must be a tuple of strings, got one string; split it into lines")

    @property
    def text(self) -> str:
        """The lines, each on a line of its own; no line break at the end."""
        return "\n".join(self.lines)

    @property
    def is_quatrain(self) -> bool:
        """Whether it is a regular quatrain: four lines of 5 characters each, or of 7 each.

        A character that is lost in the sources, written □, does not count as one.
        """
        lengths = {len(line) for line in self.lines}
        return len(self.lines) == 4 and lengths in ({5}, {7}) and all(map(_is_whole, self.lines))


@dataclass(frozen=True)
class PoemDataset:
    """Poems, no two of them with the same lines, and where they came from.

    Attributes:
        poems: in the order of the anthology.
        source: what was really read.
        n_duplicates: poems that were left out because their lines had come before.
        part: which part of the whole anthology this is; a part is not split again.
    """

    poems: tuple[Poem, ...] = field(repr=False)
    source: Source
    n_duplicates: int
    part: PoemSplit = "all"

    def __len__(self) -> int:
        """Number of poems."""
        return len(self.poems)

    def __getitem__(self, index: int) -> Poem:
        """One poem."""
        return self.poems[index]

    def split(self, name: PoemSplit) -> "PoemDataset":
        """About 95 % of the poems to train on, the others to validate on, or all.

        No line of a validation poem is in any training poem: poems that share a line (one quotes
        the other, or is another version of it) stay together. Each such group goes to one side by
        the SHA-256 of its alphabetically first line, so the same poems are split the same way
        everywhere.

        Raises:
            ValueError: if ``name`` is no split, or if these poems are a part already.
        """
        _check_choice("split", name, PoemSplit)
        require_whole(self.part)
        if name == "all":
            return self
        poems = tuple(
            poem
            for poem, line in zip(self.poems, _first_lines_of_groups(self.poems), strict=True)
            if _is_for_validation(line) == (name == "validation")
        )
        return replace(self, poems=poems, part=name)


def tang_poems(
    split: PoemSplit = "train",
    *,
    script: Script = "traditional",
    form: PoemForm = "quatrain",
    root: str | Path | None = None,
    offline: bool | None = None,
) -> PoemDataset:
    """Poems of the Tang dynasty (618-907): 14,160 different regular quatrains among 57,607 poems.

    14,569 poems have four lines of 5 or of 7. In 23 of them a character is lost, and 386 repeat the
    lines of another; both are left out.

    Looked for in ``root`` (or the folder ``AIGC_TUTORIAL_DATA``), then in the cache, then
    downloaded: 58 files, 24 MiB. A download that breaks off goes on where it stopped. If the poems
    cannot be had, 1,014 quatrains by eight of the poets stand in, which this package brings along,
    with a :class:`DataFallbackWarning`. ``source`` says what was used.

    Args:
        split: ``"train"``, ``"validation"`` or ``"all"``; see :meth:`PoemDataset.split`.
        script: ``"traditional"`` as the source has it, or ``"simplified"``, converted with OpenCC's
            configuration ``t2s``. Simplification merges characters (5,393 become about 5,200 in
            the quatrains), and with them poems that were spelt differently.
        form: ``"quatrain"`` for those that :attr:`Poem.is_quatrain` accepts, or ``"all"``; those
            that stand in are quatrains.
        root: folder that holds ``tang/poet.tang.*.json``.
        offline: whether to forbid the download; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Raises:
        DataIntegrityError: a file in the data folder is not what it should be.
        CacheError: the cache folder cannot be written.
        MissingDependencyError: ``script`` is "simplified" and OpenCC is not installed.

    Source: chinese-poetry (MIT licence), after the Quan Tangshi of 1705.
    """
    _check_choice("split", split, PoemSplit)
    _check_choice("script", script, Script)
    _check_choice("form", form, PoemForm)
    try:
        contents, source = fetch(TANG_POEMS, root=root, offline=offline)
    except DataUnavailableError as error:
        logger.info("%s", error)
        contents, source = _embedded_poems(error)
    read = (poem for content in contents for poem in parse_poems(content))
    dataset = _without_duplicates((p for p in read if form == "all" or p.is_quatrain), source)
    if script == "simplified":
        dataset = _simplified(dataset)  # before the split: it makes some lines equal
    return dataset.split(split)


def tang_sample(split: PoemSplit = "train") -> PoemDataset:
    """1,014 quatrains by eight poets of the Tang, which this package brings along.

    They are the same for every reader, whether or not the whole anthology is at hand, so a page
    that learns from them shows the same numbers everywhere. Traditional characters.

    Args:
        split: ``"train"``, ``"validation"`` or ``"all"``; see :meth:`PoemDataset.split`.

    Source: chinese-poetry (MIT licence), after the Quan Tangshi of 1705.
    """
    _check_choice("split", split, PoemSplit)
    return _without_duplicates(parse_poems(_EMBEDDED.read_bytes()), _EMBEDDED_SOURCE).split(split)


def parse_poems(content: bytes) -> list[Poem]:
    """Read one file of chinese-poetry: a JSON list of title, author and paragraphs.

    A paragraph is a couplet, and punctuation ends each of its lines. Poems without any line, of
    which only the title is known, are left out.
    """
    poems = []
    for entry in json.loads(content):
        text = "".join(entry["paragraphs"])
        lines = tuple(line for line in _END_OF_LINE.split(text) if line)
        if lines:
            poems.append(Poem(entry["title"], entry["author"], lines))
    return poems


def _embedded_poems(error: DataUnavailableError) -> tuple[list[bytes], Source]:
    """What the package brings along, in the format of the source, with a warning."""
    warn_of_fallback(
        f"The Tang poems could not be found or downloaded; using {_EMBEDDED_DESCRIPTION}. Expect "
        "other numbers than with all 14,160. What was downloaded so far is kept: the next attempt "
        "goes on from there.",
        error,
    )
    return [_EMBEDDED.read_bytes()], _EMBEDDED_SOURCE


def _check_choice(name: str, value: str, choices: Any) -> None:
    """Refuse a value that is not among a ``Literal``'s."""
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(get_args(choices))}")


def _is_whole(line: str) -> bool:
    """Whether a line consists of characters alone: no gap, no editor's mark."""
    return all(unicodedata.category(character) == "Lo" for character in line)


def _first_lines_of_groups(poems: Sequence[Poem]) -> list[str]:
    """For each poem the alphabetically first line of its group.

    A group is connected by common lines, directly or through other poems (union-find).
    """
    parent = list(range(len(poems)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]  # halves the way for the next time
            i = parent[i]
        return i

    first_with: dict[str, int] = {}
    for i, poem in enumerate(poems):
        for line in poem.lines:
            parent[root(i)] = root(first_with.setdefault(line, i))
    first_line: dict[int, str] = {}
    for line in sorted(first_with):
        first_line.setdefault(root(first_with[line]), line)
    return [first_line[root(i)] for i in range(len(poems))]


def _is_for_validation(line: str) -> bool:
    digest = hashlib.sha256(line.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") % 100 < _VALIDATION_PERCENT


def _without_duplicates(poems: Iterable[Poem], source: Source) -> PoemDataset:
    """The first of each group of poems with the same lines."""
    first: dict[tuple[str, ...], Poem] = {}
    n_read = 0
    for poem in poems:
        first.setdefault(poem.lines, poem)
        n_read += 1
    return PoemDataset(tuple(first.values()), source, n_duplicates=n_read - len(first))


def _simplified(dataset: PoemDataset) -> PoemDataset:
    """The same poems in simplified characters; those that become equal are merged."""
    converter = require("opencc", extra="chinese").OpenCC("t2s")
    poems = (
        Poem(
            converter.convert(poem.title),
            converter.convert(poem.author),
            tuple(converter.convert(poem.text).split("\n")),
        )
        for poem in dataset.poems
    )
    merged = _without_duplicates(poems, dataset.source)
    return replace(merged, n_duplicates=merged.n_duplicates + dataset.n_duplicates)
