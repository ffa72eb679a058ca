"""What customers write to a support desk, each utterance with its intent.

8,100 utterances of Bitext's data set, and 486 that were written for this package: they stand in
where there is no network, and are another writer's wording of the same 27 intents for a test.
"""

import csv
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.data.catalogue import SUPPORT_UTTERANCES
from aigc_tutorial.data.fetch import DataUnavailableError, Source, fetch, warn_of_fallback
from aigc_tutorial.integers import as_count

logger = logging.getLogger(__name__)

UtteranceSplit = Literal["train", "validation", "test", "all"]
Language = Literal["en", "zh"]

SUPPORT_INTENTS = (
    "cancel_order",
    "change_order",
    "change_shipping_address",
    "check_cancellation_fee",
    "check_invoice",
    "check_payment_methods",
    "check_refund_policy",
    "complaint",
    "contact_customer_service",
    "contact_human_agent",
    "create_account",
    "delete_account",
    "delivery_options",
    "delivery_period",
    "edit_account",
    "get_invoice",
    "get_refund",
    "newsletter_subscription",
    "payment_issue",
    "place_order",
    "recover_password",
    "registration_problems",
    "review",
    "set_up_shipping_address",
    "switch_account",
    "track_order",
    "track_refund",
)
"""What a customer can want, in alphabetical order; a label is the place in it."""

SUPPORT_TAGS = {"Q": "colloquial", "W": "offensive", "Z": "typos"}
"""Those of Bitext's marks on the wording that the package names; there are more in the data."""

_SPLITS: tuple[UtteranceSplit, ...] = ("train", "validation", "test")
_EMBEDDED = Path(__file__).with_name("support") / "utterances.csv"
_EMBEDDED_SOURCE = Source(
    "embedded",
    "aigc_tutorial.data.support",
    "405 utterances in English and 81 in Chinese, which were written for aigc_tutorial.",
)


@dataclass(frozen=True)
class Utterance:
    """One message of a customer.

    Attributes:
        text: as it was typed.
        intent: what the customer wants, one of :data:`SUPPORT_INTENTS`.
        tags: letters that describe the wording, see :data:`SUPPORT_TAGS`.
        language: "en" or "zh".
    """

    text: str
    intent: str
    tags: str = ""
    language: Language = "en"

    def __post_init__(self) -> None:
        """Check the intent.

        Raises:
            ValueError: if it is none of the 27, or there is no text.
        """
        if self.intent not in SUPPORT_INTENTS:
            raise ValueError(
                f"there is no intent {self.intent!r}; SUPPORT_INTENTS lists all of them"
            )
        if not self.text.strip():
            raise ValueError("the text is empty: a message has words")


@dataclass(frozen=True)
class UtteranceDataset:
    """Utterances, and where they came from.

    Attributes:
        utterances: in the order of the file.
        source: what was really read.
        part: which part of the whole data set this is, or was taken from.
    """

    utterances: tuple[Utterance, ...] = field(repr=False)
    source: Source
    part: UtteranceSplit = "all"

    def __len__(self) -> int:
        """Number of utterances."""
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        """One utterance after the other."""
        return iter(self.utterances)

    def __getitem__(self, index: int) -> Utterance:
        """One utterance."""
        return self.utterances[index]

    @property
    def texts(self) -> list[str]:
        """What was typed."""
        return [utterance.text for utterance in self.utterances]

    @property
    def labels(self) -> Int64[Tensor, " N"]:
        """The place of each utterance's intent in :data:`SUPPORT_INTENTS`."""
        return torch.tensor(
            [SUPPORT_INTENTS.index(u.intent) for u in self.utterances], dtype=torch.int64
        )

    def where(self, is_kept: Callable[[Utterance], bool]) -> "UtteranceDataset":
        """Those utterances of which a function says yes, in the same order."""
        return replace(self, utterances=tuple(filter(is_kept, self.utterances)))

    def tagged(self, tag: str) -> "UtteranceDataset":
        """Those whose wording has a tag, one of the letters of :data:`SUPPORT_TAGS` or another."""
        return self.where(lambda utterance: tag in utterance.tags)

    def untagged(self, tag: str) -> "UtteranceDataset":
        """Those whose wording does not have a tag."""
        return self.where(lambda utterance: tag not in utterance.tags)

    def few(self, n: int, *, rng: torch.Generator) -> "UtteranceDataset":
        """So many of each intent, drawn without replacement, in an order of their own.

        The draw for one number holds that for a smaller number with the same randomness: a curve
        over the number of labels then shows what more labels do, and no other draw.

        Args:
            n: of each intent that occurs here; where there are fewer, all of them.
            rng: source of randomness, on the CPU.
        """
        n = as_count(n, "n")
        order = torch.randperm(len(self), generator=rng).tolist()
        n_taken = dict.fromkeys(SUPPORT_INTENTS, 0)
        kept = []
        for index in order:
            intent = self.utterances[index].intent
            if n_taken[intent] < n:
                n_taken[intent] += 1
                kept.append(self.utterances[index])
        return replace(self, utterances=tuple(kept))

    def unlike(self, other: "UtteranceDataset") -> "UtteranceDataset":
        """Those whose :func:`normal_form` is that of no utterance of another data set."""
        seen = {normal_form(text) for text in other.texts}
        return self.where(lambda utterance: normal_form(utterance.text) not in seen)


def normal_form(text: str) -> str:
    """A text without what tells two fillings of one template apart.

    Letters are small, a run of digits is one 0, a run of spaces one space.

    >>> normal_form("Cancel  order 00123842")
    'cancel order 0'
    """
    return re.sub(r"\d+", "0", " ".join(text.lower().split()))


def support_utterances(
    split: UtteranceSplit = "train",
    *,
    root: str | Path | None = None,
    offline: bool | None = None,
) -> UtteranceDataset:
    """8,100 English utterances of 27 intents: 6,480 to train on, 810 to validate, 810 to test.

    They were made from templates, with typos and slang put in on purpose: of the test utterances
    9.5 % equal one of the training set in their :func:`normal_form`, which
    :meth:`UtteranceDataset.unlike` takes away.

    Looked for in ``root`` (or the folder ``AIGC_TUTORIAL_DATA``), then in the cache, then
    downloaded. If none of them has them, :func:`support_sample` stands in, with a
    :class:`DataFallbackWarning`. ``source`` says what was used.

    Args:
        split: ``"train"``, ``"validation"``, ``"test"`` or ``"all"``, as Bitext cut them.
        root: folder that holds ``customer_service``.
        offline: whether to forbid the download; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Raises:
        ValueError: if there is no such split.
        DataIntegrityError: a file in the data folder is not what it should be.
        CacheError: the cache folder cannot be written.

    Source: Bitext, Customer Service Tagged Training Dataset for Intent Detection (licence
    CDLA-Sharing 1.0).
    """
    _check_split(split)
    try:
        contents, source = fetch(SUPPORT_UTTERANCES, root=root, offline=offline)
    except DataUnavailableError as error:
        logger.info("%s", error)
        warn_of_fallback(
            "The support utterances could not be found or downloaded; using 405 that were written "
            "for this book. Expect other numbers than with the 8,100, and with so few of them "
            "wide margins.",
            error,
        )
        return support_sample(split)
    wanted = _SPLITS if split == "all" else (split,)
    read = [u for part in wanted for u in _parse(contents[_SPLITS.index(part)])]
    return UtteranceDataset(tuple(read), source, split)


def support_sample(
    split: UtteranceSplit = "train", *, language: Language = "en"
) -> UtteranceDataset:
    """486 utterances that were written for this package: 15 in English and 3 in Chinese an intent.

    They are the same for every reader. None was made from a template, so they are harder than
    Bitext's, and no two are alike. Of each intent 8 are to train on, 3 to validate, 4 to test; in
    Chinese 1 each.

    Args:
        split: ``"train"``, ``"validation"``, ``"test"`` or ``"all"``.
        language: "en" or "zh".

    Raises:
        ValueError: if there is no such split or language.
    """
    _check_split(split)
    if language not in get_args(Language):
        raise ValueError(f'language is {language!r}; expected "en" or "zh"')
    content = _EMBEDDED.read_bytes()
    read = (u for u in _parse(content, split=split) if u.language == language)
    return UtteranceDataset(tuple(read), _EMBEDDED_SOURCE, split)


def _check_split(split: str) -> None:
    if split not in get_args(UtteranceSplit):
        names = ", ".join(get_args(UtteranceSplit))
        raise ValueError(f"split is {split!r}; expected one of {names}")


def _parse(content: bytes, *, split: UtteranceSplit = "all") -> Iterable[Utterance]:
    """Read a table with a row for each utterance; where it says so, those of a split alone."""
    for row in csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")):
        if split in ("all", row.get("split")):
            language: Language = "zh" if row.get("language") == "zh" else "en"
            yield Utterance(row["utterance"], row["intent"], row["tags"], language)
