"""English text: tiny Shakespeare, and the Python documentation that every installation has."""

import importlib
import logging
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aigc_tutorial.data.catalogue import TINY_SHAKESPEARE
from aigc_tutorial.data.fetch import DataUnavailableError, Source, fetch, warn_of_fallback

logger = logging.getLogger(__name__)

TextSplit = Literal["train", "validation", "all"]

_TRAIN_SHARE = 0.9


@dataclass(frozen=True)
class TextDataset:
    """One long text, and where it came from.

    Attributes:
        text: the characters, in the order in which they are read.
        source: what was really read.
        part: which part of the whole text this is; a part is not split again.
    """

    text: str = field(repr=False)
    source: Source
    part: TextSplit = "all"

    def __post_init__(self) -> None:
        """Check that it is text.

        Raises:
            TypeError: if it is bytes, or a list of lines.
        """
        if not isinstance(self.text, str):
            raise TypeError(
                f"text must be one string, got {type(self.text).__name__}; decode bytes by "
                '.decode("utf-8"), join lines by "\\n".join(lines)'
            )

    def __len__(self) -> int:
        """Number of characters."""
        return len(self.text)

    def split(self, name: TextSplit) -> "TextDataset":
        """The first 90 % of the characters to train on, the last 10 % to validate on, or all.

        The cut is by position, as in nanoGPT: the validation text follows the training text, so
        that no passage is in both unless the author repeats it.

        Raises:
            ValueError: if ``name`` is no split, or if this text is a part already.
        """
        cut = int(len(self.text) * _TRAIN_SHARE)
        parts = {"train": self.text[:cut], "validation": self.text[cut:], "all": self.text}
        if name not in parts:
            raise ValueError(f'split is {name!r}; expected "train", "validation" or "all"')
        require_whole(self.part)
        return TextDataset(parts[name], self.source, name)


def require_whole(part: str) -> None:
    """Refuse to split what is one part of a split: its end is not the validation data.

    Args:
        part: which part a data set is.

    Raises:
        ValueError: if it is not ``"all"``.
    """
    if part != "all":
        raise ValueError(
            f"this data set is the part {part!r} already, and a part is not split again; "
            'load "all" and split that, or load each part by its name'
        )


def tiny_shakespeare(
    split: TextSplit = "train",
    *,
    root: str | Path | None = None,
    offline: bool | None = None,
) -> TextDataset:
    """40,000 lines from Shakespeare's plays: 1,115,394 characters, of which 65 are different.

    Looked for in ``root`` (or the folder ``AIGC_TUTORIAL_DATA``), then in the cache, then
    downloaded. If none of them has it, :func:`python_documentation` stands in, cut in the same
    way, with a :class:`DataFallbackWarning`. ``source`` says what was used.

    Args:
        split: ``"train"`` for the first 90 %, ``"validation"`` for the rest, or ``"all"``; see
            :meth:`TextDataset.split`.
        root: folder that holds ``text/tinyshakespeare.txt``.
        offline: whether to forbid the download; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Raises:
        DataIntegrityError: the file in the data folder is not what it should be.
        DataUnavailableError: neither the text nor Python's documentation is there.
        CacheError: the cache folder cannot be written.

    Source: Karpathy (2015), char-rnn; the split of nanoGPT.
    """
    try:
        (content,), source = fetch([TINY_SHAKESPEARE], root=root, offline=offline)
    except DataUnavailableError as error:
        logger.info("%s", error)
        warn_of_fallback(
            "tiny Shakespeare could not be found or downloaded; using the documentation of Python "
            f"{platform.python_version()} in its place. Expect other numbers than with the plays.",
            error,
        )
        return python_documentation(split)
    return TextDataset(content.decode("utf-8"), source).split(split)


def python_documentation(split: TextSplit = "all") -> TextDataset:
    """The reference documentation that Python's own ``help()`` shows; needs no network.

    The topics follow each other in alphabetical order, each text once, with an empty line between
    them. About half a million characters; which ones depends on the version of Python, which
    ``source`` names.

    Args:
        split: ``"train"``, ``"validation"`` or ``"all"``; see :meth:`TextDataset.split`.

    Raises:
        DataUnavailableError: this Python was installed without ``pydoc_data``.
    """
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except ModuleNotFoundError as error:
        raise DataUnavailableError(
            "this Python was installed without its documentation, the module pydoc_data.topics; "
            "install Python's full standard library, or use a text of your own: "
            "TextDataset(text, source)"
        ) from error
    texts = dict.fromkeys(topics[name] for name in sorted(topics))
    version = platform.python_version()
    return TextDataset(
        "\n".join(texts),
        Source(
            "embedded",
            "pydoc_data.topics",
            f"Read from the documentation that the standard library of Python {version} holds.",
        ),
    ).split(split)
