"""The system: what does the customer want, how sure is that, and what may be said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.apps.checks import as_texts, require_positive
from aigc_tutorial.apps.support.calibration import temperature_scaled
from aigc_tutorial.apps.support.grounding import check_grounding
from aigc_tutorial.apps.support.knowledge import Entry
from aigc_tutorial.apps.support.retrieval import Index
from aigc_tutorial.data import SUPPORT_INTENTS
from aigc_tutorial.data.utterances import Language

UNSURE: Mapping[Language, str] = {
    "en": "I am not sure that I understood you. A person will go on from here.",
    "zh": "我不确定是否理解了您的意思，接下来由人工客服为您服务。",
}
AS_ASKED: Mapping[Language, str] = {
    "en": "A person will go on from here.",
    "zh": "接下来由人工客服为您服务。",
}
ASKED_FOR_A_PERSON = "contact_human_agent"


@runtime_checkable
class IntentModel(Protocol):
    """What names intents: ``CountedWords``, ``TunedModel``, ``IntentsByIndex``."""

    def logits(self, texts: Sequence[str]) -> Float[Tensor, "N K"]:
        """One number for each intent."""


class IntentsByIndex:
    """Intents without any labelled message: that of the entry that fits best."""

    def __init__(self, index: Index, entries: Sequence[Entry]) -> None:
        """Use an index over the entries.

        Args:
            index: over the entries' texts, in the same order.
            entries: what was indexed.

        Raises:
            ValueError: if the index has another number of texts than there are entries.
        """
        _check_index(index, entries)
        self._index = index
        self._columns = [
            [i for i, entry in enumerate(entries) if entry.intent == intent]
            for intent in SUPPORT_INTENTS
        ]

    def logits(self, texts: Sequence[str]) -> Float[Tensor, "N K"]:
        """The best score among each intent's entries; −∞ for an intent without any."""
        scores = self._index.scores(texts)
        none = torch.full((len(scores),), -torch.inf)
        best = [scores[:, columns].amax(1) if columns else none for columns in self._columns]
        return torch.stack(best, dim=1)


def _check_index(index: Index, entries: Sequence[Entry]) -> None:
    """Refuse an index over other texts than the entries."""
    n_texts = index.scores(["?"]).shape[1] if entries else 0
    if not entries or n_texts != len(entries):
        raise ValueError(
            f"there are {len(entries)} entries and {n_texts} texts in the index; index the text of "
            "each entry, in the same order"
        )


@dataclass(frozen=True)
class Line:
    """Everything that answers in one language.

    Attributes:
        model: names the intent.
        temperature: of its logits, fitted on validation messages.
        threshold: confidence below which a person takes over, see ``promise``.
        entries: what may be said.
        index: over the entries' texts, which chooses between two of one intent.
    """

    model: IntentModel
    temperature: float
    threshold: float
    entries: Sequence[Entry]
    index: Index

    def __post_init__(self) -> None:
        """Check that the parts fit.

        Raises:
            ValueError: if the temperature is not positive, the threshold is not a number, or the
                index is over other texts.
        """
        require_positive(self.temperature, "temperature")
        if self.threshold != self.threshold:
            raise ValueError("threshold is not a number; a confidence cannot be held against it")
        _check_index(self.index, self.entries)


@dataclass(frozen=True)
class Reply:
    """What the desk says to one message.

    Attributes:
        text: what is sent.
        intent: the most probable one.
        confidence: its probability.
        entry: where the text was taken from; None where a person takes over.
    """

    text: str
    intent: str
    confidence: float
    entry: Entry | None

    @property
    def is_handed_over(self) -> bool:
        """Whether a person takes over."""
        return self.entry is None


class SupportDesk:
    """Answers from its entries, word for word, or hands over."""

    def __init__(self, lines: Mapping[Language, Line]) -> None:
        """Open a line for each language.

        Args:
            lines: by language.
        """
        self.lines = dict(lines)

    def reply(self, message: str) -> Reply:
        """Name the intent; if that is sure enough, send the entry that fits best.

        A confidence that is not a number is not sure, and where no entry answers the intent there
        is nothing to send: then a person takes over too.

        Raises:
            ValueError: if the message is empty, or there is no line for its language.
        """
        (message,) = as_texts([message], "message")
        if not message.strip():
            raise ValueError("the message is empty; type a question")
        language: Language = "zh" if re.search("[\u4e00-\u9fff]", message) else "en"
        if language not in self.lines:
            raise ValueError(f"this desk has no line for {language!r}")
        line = self.lines[language]
        probabilities = temperature_scaled(line.model.logits([message]), line.temperature)[0]
        confidence, intent = (
            float(probabilities.max()),
            SUPPORT_INTENTS[int(probabilities.argmax())],
        )
        of_intent = [i for i, entry in enumerate(line.entries) if entry.intent == intent]
        is_sure = confidence >= line.threshold  # False if either is not a number
        if not (is_sure and (of_intent or intent == ASKED_FOR_A_PERSON)):
            return Reply(UNSURE[language], intent, confidence, None)
        if intent == ASKED_FOR_A_PERSON:
            return Reply(AS_ASKED[language], intent, confidence, None)
        scores = line.index.scores([message])[0].tolist()
        entry = line.entries[max(of_intent, key=scores.__getitem__)]
        grounding = check_grounding(entry.answer, entry.text)
        assert grounding.is_grounded, grounding  # it is a copy
        return Reply(entry.answer, intent, confidence, entry)
