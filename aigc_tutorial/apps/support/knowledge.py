"""What the desk may say: thirty topics of an invented shop, in English and in Chinese."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from aigc_tutorial.data import SUPPORT_INTENTS
from aigc_tutorial.data.utterances import Language

_FILE = Path(__file__).with_name("knowledge_base.json")


@dataclass(frozen=True)
class Entry:
    """One topic: a question as a title, and the sentences that answer it.

    Attributes:
        topic: its name, the same in both languages.
        intent: which of the 27 intents it answers; some have two entries.
        language: "en" or "zh".
        title: the question.
        sentences: the answer. Each is true by itself.
    """

    topic: str
    intent: str
    language: Language
    title: str
    sentences: tuple[str, ...]

    @property
    def answer(self) -> str:
        """All sentences, as they are sent."""
        return ("" if self.language == "zh" else " ").join(self.sentences)

    @property
    def text(self) -> str:
        """Title and answer: what is searched."""
        return f"{self.title} {self.answer}"


@dataclass(frozen=True)
class DetailQuestion:
    """A question that one sentence of an entry answers; it is worded otherwise on purpose.

    Attributes:
        text: the question, in English.
        topic: of the entry.
        sentence: place of the sentence among the entry's.
    """

    text: str
    topic: str
    sentence: int


@cache
def _topics() -> list[dict[str, Any]]:
    topics: list[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    assert {topic["intent"] for topic in topics} == set(SUPPORT_INTENTS)
    return topics


def knowledge_base(language: Language = "en") -> tuple[Entry, ...]:
    """30 entries in a language, with one or two for each intent.

    They were written for this package; the shop and its rules are invented.

    Raises:
        ValueError: if there are none in the language.
    """
    if language not in get_args(Language):
        raise ValueError(f'language is {language!r}; expected "en" or "zh"')
    return tuple(
        Entry(
            topic["id"],
            topic["intent"],
            language,
            topic[language]["title"],
            tuple(topic[language]["sentences"]),
        )
        for topic in _topics()
    )


def detail_questions() -> tuple[DetailQuestion, ...]:
    """60 questions in English, two for each entry, with the sentence that answers each."""
    return tuple(
        DetailQuestion(detail["question"], topic["id"], detail["sentence"])
        for topic in _topics()
        for detail in topic["details"]
    )
