"""Whether an answer says only what its source says, as far as words can tell."""

import re
import unicodedata
from dataclasses import dataclass

_WITHOUT_FACTS = """
a an the this that these those it its you your we our us i my me they their them he she
is are was were be been being am do does did has have had will would and or but if then so
as at by for from in into of on onto to with up out when where which who whom what how why there
here such own same too very also just yes please
"""
FUNCTION_WORDS = frozenset(_WITHOUT_FACTS.split())
"""English words that carry no fact of their own, and may be added to an answer."""

_WITH_RELATIONS = """
over under above below before after until till since during while within between more less most
least than only always sometimes all any both each every some half can could may might must shall
should
"""
_RELATIONS = frozenset(_WITH_RELATIONS.split())

_NEGATIONS = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nor|neither|without|cannot)\b|n't\b|[不没无未]"
)
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_LETTER = r"[^\W_\u4e00-\u9fff]"
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD = re.compile(rf"[\u4e00-\u9fff]+|{_LETTER}+(?:[@.'-]{_LETTER}+)*|[%$€£¥₹]")


@dataclass(frozen=True)
class Grounding:
    """What an answer says that its source does not.

    Attributes:
        numbers: numbers that are not in the sentence that supports theirs.
        words: content words that are nowhere in the source; names are among them.
        relations: words such as "over", "until" and "must" that are not in the sentence that
            supports theirs.
        flipped: sentences with a negation where their source has none, or without one.
    """

    numbers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    flipped: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()

    @property
    def is_grounded(self) -> bool:
        """Whether nothing was found."""
        return not (self.numbers or self.words or self.flipped or self.relations)


def check_grounding(answer: str, source: str) -> Grounding:
    """Hold each sentence of an answer to the sentence of its source that shares most words.

    The check is of words. It finds numbers and names that were made up, negations that were put in
    or lost, and English words of order, amount and duty that were put in. It does not understand: a
    condition that is left out, two roles that change places, and a true sentence that answers
    another question go through; a true sentence with a word of its own does not.

    >>> check_grounding("It takes 9 days.", "Delivery takes 3 to 5 days. It costs 9 dollars.")
    Grounding(numbers=('9',), words=(), flipped=(), relations=())

    Args:
        answer: English or Chinese, one sentence or more.
        source: what was retrieved.
    """
    sources = sentences(source)
    allowed = set().union(*map(_facts, sources)) if sources else set()
    numbers: list[str] = []
    words: list[str] = []
    flipped: list[str] = []
    relations: list[str] = []
    for sentence in sentences(answer):
        facts = _facts(sentence)
        support = max(sources, key=lambda text: _overlap(facts, _facts(text)), default="")
        supported = _facts(support)
        numbers += sorted(f for f in facts if _is_number(f) and f not in supported)
        words += sorted(f for f in facts if not _is_number(f) and f not in allowed)
        relations += sorted(_relations(sentence) - _relations(support))
        if _is_negated(sentence) != _is_negated(support):
            flipped.append(sentence)
    return Grounding(tuple(numbers), tuple(words), tuple(flipped), tuple(relations))


def sentences(text: str) -> list[str]:
    """A text's sentences, with their ends; a dot within a number or an address ends none."""
    return [part for found in _END.split(text) if (part := found.strip())]


def _facts(text: str) -> set[str]:
    """Content words without their endings, and numbers; of Chinese each two neighbours."""
    found: set[str] = set()
    for run in _WORD.findall(_plain(text)):
        if "\u4e00" <= run[0] <= "\u9fff":
            found |= {run[i : i + 2] for i in range(len(run) - 1)} or {run}
        elif _is_number(run):
            found.add(run)
        elif run not in FUNCTION_WORDS | _RELATIONS and not _NEGATIONS.fullmatch(run):
            found.add(_stem(run))
    return found


def _plain(text: str) -> str:
    """Small letters, and one form of each character: ９ is 9, ’ is ', and 3,000 is 3000."""
    one_form = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return _THOUSANDS.sub("", one_form)


def _relations(text: str) -> set[str]:
    return set(_WORD.findall(_plain(text))) & _RELATIONS


def _is_negated(text: str) -> bool:
    return len(_NEGATIONS.findall(_plain(text))) % 2 == 1


def _stem(word: str) -> str:
    """A word without the commonest English endings, as long as three letters are left."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _is_number(fact: str) -> bool:
    return fact[0].isdigit()


def _overlap(facts: set[str], others: set[str]) -> float:
    """How much of either is in the other."""
    return len(facts & others) / max(1, len(facts | others))
