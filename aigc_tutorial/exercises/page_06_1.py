"""Exercises of customer service: a promise, abstention, retrieval, grounding."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "06_1_customer_service"


def _risk_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.05, 0.05), (0.1, 0.01), (0.2, 0.1), (0.01, 0.05), (0.5, 0.25))


@exercise(
    "messages-needed",
    page=PAGE,
    level="warm-up",
    cases=_risk_cases,
    hint="n right answers in a row have probability (1 − risk)ⁿ.",
    remark="For a risk of 5 % at δ = 5 % that is 59. Fewer can promise nothing.",
    mistakes=[
        Mistake(
            lambda risk, delta: math.floor(math.log(delta) / math.log1p(-risk)),
            "with this many, the probability is still above delta: round up.",
        ),
        Mistake(
            lambda risk, delta: math.floor(math.log(delta) / math.log1p(-risk)) + 1,
            "where the probability is delta itself, one less is enough.",
        ),
        Mistake(
            lambda risk, delta: math.ceil(1 / risk),
            "so many messages hold one error on average; that none came is then no surprise.",
        ),
        Mistake(
            lambda risk, delta: math.ceil(math.log(risk) / math.log1p(-delta)),
            "risk and delta have changed places.",
        ),
    ],
)
def messages_needed(risk: float, delta: float) -> int:
    """Number of validation messages that must all be answered rightly to promise a risk.

    The smallest whole n at which, if answers were wrong with probability ``risk``, n right ones in
    a row would come with probability ``delta`` at most.
    """
    return math.ceil(math.log(delta) / math.log1p(-risk))


def _answer_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    confidence = torch.tensor([0.9, 0.5, 0.75, 0.25, 0.5])
    is_right = torch.tensor([True, False, True, False, True])
    yield confidence, is_right, 0.5
    yield confidence, is_right, 0.6
    yield confidence, is_right, 0.95
    more = torch.rand(40, generator=rng)
    yield more, torch.rand(40, generator=rng) < more, 0.4


def _pair(coverage: Any, accuracy: Any) -> tuple[Any, Any]:
    return coverage, accuracy


def _answered(confidence: Tensor, is_right: Tensor, threshold: float) -> tuple[float, float]:
    kept = confidence >= threshold
    coverage = float(kept.double().mean())
    return coverage, float(is_right[kept].double().mean()) if kept.any() else 1.0


@exercise(
    "answered-rightly",
    page=PAGE,
    level="core",
    cases=_answer_cases,
    hint="a mask of what is answered, and of is_right only those.",
    remark="Nothing was answered wrongly where nothing was answered: a desk is judged by both "
    "numbers.",
    mistakes=[
        Mistake(
            lambda confidence, is_right, threshold: _pair(
                _answered(confidence, is_right, threshold)[0],
                float((is_right & (confidence >= threshold)).double().mean()),
            ),
            "the accuracy is among the messages that are answered, not among all.",
        ),
        Mistake(
            lambda confidence, is_right, threshold: _pair(
                float((confidence > threshold).double().mean()),
                float(is_right[confidence > threshold].double().mean())
                if (confidence > threshold).any()
                else 1.0,
            ),
            "a message whose confidence is the threshold itself is answered.",
        ),
        Mistake(
            lambda confidence, is_right, threshold: _pair(
                _answered(confidence, is_right, threshold)[0],
                float(is_right[confidence >= threshold].double().mean()),
            ),
            "where no message is answered, the mean of nothing is no number; say 1.",
        ),
    ],
)
def answered_rightly(
    confidence: Float[Tensor, " N"], is_right: Bool[Tensor, " N"], threshold: float
) -> tuple[float, float]:
    """Share of messages that are answered, and the share of right answers among these.

    A message is answered if its confidence is the threshold or more. If none is, the second number
    is 1.
    """
    answered = confidence >= threshold
    if not answered.any():
        return 0.0, 1.0
    return float(answered.float().mean()), float(is_right[answered].float().mean())


def _rank_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield [0.5, 2.0, 1.0], 1
    yield [0.5, 2.0, 1.0], 2
    yield [3.0, 2.0, 3.0, 1.0], 0
    yield [0.0, 0.0, 0.0, 0.0], 0
    yield [-1.0, -3.0, -2.0, -2.0], 2


def _rank(scores: Sequence[float], right: int) -> int:
    return sum(score >= scores[right] for score in scores)


@exercise(
    "reciprocal-rank",
    page=PAGE,
    level="core",
    cases=_rank_cases,
    hint="count the entries whose score is at least that of the right one; it is among them.",
    remark="An index that finds nothing gives 0 to all. Ties in its favour would make it perfect "
    "for the entry that stands first.",
    mistakes=[
        Mistake(
            lambda scores, right: 1 / (1 + sum(s > scores[right] for s in scores)),
            "of equal scores the right entry counts as the last, or an index that finds nothing "
            "would be perfect.",
        ),
        Mistake(
            lambda scores, right: _rank(scores, right),
            "that is the rank; its reciprocal is 1 for the best.",
        ),
        Mistake(
            lambda scores, right: 1 / sum(s <= scores[right] for s in scores),
            "a high score is a good one: count those above, not those below.",
        ),
    ],
)
def reciprocal_rank(scores: Sequence[float], right: int) -> float:
    """1 / (rank of the right entry), whose place in the list is ``right``, from 0.

    The entry with the highest score has rank 1. Of entries with the same score, the right one
    counts as the last.
    """
    return 1 / sum(score >= scores[right] for score in scores)


def _number_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    source = "It takes 3 to 15 days and costs 4.50 dollars."
    yield "It takes 5 days.", source
    yield "It takes 15 days, 3 at best.", source
    yield "It costs 4.50 dollars, or 450 cents.", source
    yield "It costs 50 dollars for 4 days.", source
    yield "It takes some days.", source
    yield "It takes 9 days, or 8, or 9.", source


@exercise(
    "invented-numbers",
    page=PAGE,
    level="core",
    cases=_number_cases,
    hint=r"the pattern \d+(?:\.\d+)? finds whole numbers, and a point only before a digit.",
    remark="The check of this page asks for more: a number must be in the sentence that supports "
    "its own.",
    mistakes=[
        Mistake(
            lambda answer, source: sorted(
                {n for n in re.findall(r"\d+(?:\.\d+)?", answer) if n not in source}
            ),
            "5 is not in the source only because 15 is: compare numbers, not letters.",
        ),
        Mistake(
            lambda answer, source: sorted(
                set(re.findall(r"\d", answer)) - set(re.findall(r"\d", source))
            ),
            "these are single digits: 51 is made of the digits of 15 and is another number.",
        ),
        Mistake(
            lambda answer, source: sorted(
                set(re.findall(r"\d+", answer)) - set(re.findall(r"\d+", source))
            ),
            "4.50 is one number; cut at its point, a 4 and a 50 would be in the source.",
        ),
        Mistake(
            lambda answer, source: sorted(
                set(re.findall(r"[\d.]+", answer)) - set(re.findall(r"[\d.]+", source))
            ),
            "the point at the end of a sentence belongs to no number.",
        ),
        Mistake(
            lambda answer, source: sorted(
                n
                for n in re.findall(r"\d+(?:\.\d+)?", answer)
                if n not in re.findall(r"\d+(?:\.\d+)?", source)
            ),
            "a number that the answer says twice stands in the list once.",
        ),
    ],
)
def invented_numbers(answer: str, source: str) -> list[str]:
    """The numbers of an answer that its source does not hold, each once, sorted as strings.

    A number is a run of digits, with one point between digits at most, as in 4.50.
    """
    pattern = r"\d+(?:\.\d+)?"
    return sorted(set(re.findall(pattern, answer)) - set(re.findall(pattern, source)))
