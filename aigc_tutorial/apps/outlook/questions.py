"""Questions for a quiz in arithmetic: read, solved exactly, graded, and written by a rule."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

DIFFICULTIES = ("easy", "hard")
"""What a question may be asked to be; see :func:`difficulty`."""

LETTERS = "eh"
"""The letter that stands for each difficulty in front of a written question."""

ALPHABET = "0123456789+-=,?;" + LETTERS + "\n"
"""The characters of written questions."""

LARGEST = 20
"""No number of a question that is written by the rule is larger."""

Kind = Literal["sum", "difference", "row"]

_N_NUMBERS: dict[str, int] = {"sum": 3, "difference": 3, "row": 5}
_NUMBER = r"(\?|0|[1-9][0-9]{0,2})"
_SUM = re.compile(rf"{_NUMBER}([+-]){_NUMBER}={_NUMBER}")
_ROW = re.compile(",".join([_NUMBER] * 5))


@dataclass(frozen=True)
class Question:
    """A question with one gap, None among its numbers.

    Attributes:
        kind: "sum" for a + b = c, "difference" for a − b = c, "row" for five numbers in equal
            steps.
        numbers: three or five of them.
    """

    kind: Kind
    numbers: tuple[int | None, ...]

    def __post_init__(self) -> None:
        """Check the form.

        Raises:
            ValueError: if the kind is none, or its numbers are not so many whole ones of 0 or more
                with one gap.
        """
        if self.kind not in _N_NUMBERS:
            raise ValueError(f"there is no kind {self.kind!r}; expected one of {list(_N_NUMBERS)}")
        known = [number for number in self.numbers if number is not None]
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in known)
        n = _N_NUMBERS[self.kind]
        if not whole or len(self.numbers) != n or len(known) != n - 1:
            raise ValueError(
                f"a {self.kind} has {n} whole numbers of 0 or more, one of them None for the gap, "
                f"got {self.numbers}"
            )

    def __str__(self) -> str:
        """The question as it is written, the gap as a question mark."""
        parts = ["?" if number is None else str(number) for number in self.numbers]
        if self.kind == "row":
            return ",".join(parts)
        return f"{parts[0]}{'+' if self.kind == 'sum' else '-'}{parts[1]}={parts[2]}"


def read_question(text: str) -> Question | None:
    """Read a question; None if it is not one, or has not exactly one gap.

    The text is taken apart by two patterns. It is never run: ``eval`` would run whatever a model,
    or whoever prompted it, has written.

    Raises:
        TypeError: if it is no text.
    """
    _require_text(text)
    if match := _SUM.fullmatch(text):
        a, sign, b, c = match.groups()
        kind: Kind = "sum" if sign == "+" else "difference"
        parts: Sequence[str] = (a, b, c)
    elif match := _ROW.fullmatch(text):
        kind, parts = "row", match.groups()
    else:
        return None
    numbers = tuple(None if part == "?" else int(part) for part in parts)
    return Question(kind, numbers) if numbers.count(None) == 1 else None


def solve_question(question: Question) -> int | None:
    """The number that belongs into the gap; None if no whole number of 0 or more does."""
    if question.kind == "row":
        return _missing_of_row(question.numbers)
    a, b, c = question.numbers
    if question.kind == "difference":  # a - b = c says c + b = a
        a, c = c, a
    if c is None:
        assert a is not None
        assert b is not None
        return a + b
    part = b if a is None else a
    assert part is not None
    return c - part if c >= part else None


def _missing_of_row(numbers: Sequence[int | None]) -> int | None:
    known = [(i, number) for i, number in enumerate(numbers) if number is not None]
    (i, first), (j, second), *_ = known
    step, rest = divmod(second - first, j - i)
    begin = first - i * step
    if rest or step == 0 or any(number != begin + k * step for k, number in known):
        return None
    missing = begin + list(numbers).index(None) * step
    return missing if missing >= 0 else None


def difficulty(question: Question) -> int:
    """Which of ``DIFFICULTIES`` a question is, from the numbers of its solution alone.

    A sum is hard if it needs a carry, and a difference if the sum that undoes it does. A row is
    hard from steps of 3 on.

    Raises:
        ValueError: if the question has no solution.
    """
    answer = solve_question(question)
    if answer is None:
        raise ValueError(f"the question {question} has no solution, so it is neither easy nor hard")
    a, b, *others = (answer if number is None else number for number in question.numbers)
    if question.kind == "row":
        return int(abs(b - a) >= 3)
    if question.kind == "difference":
        a = others[0]
    units = (10**k for k in range(len(str(max(a, b)))))
    return int(any(a // unit % 10 + b // unit % 10 > 9 for unit in units))


@dataclass(frozen=True)
class Grade:
    """What the checker says of a written question.

    Attributes:
        question: as it was read; None if it could not be.
        answer: the right answer; None if there is none.
        problem: what is wrong; empty if the answer that was written is right.
    """

    question: Question | None
    answer: int | None
    problem: str

    @property
    def solvable(self) -> bool:
        """Whether there is a question with exactly one answer."""
        return self.answer is not None

    @property
    def right(self) -> bool:
        """Whether the written answer is that one."""
        return not self.problem


def grade_question(text: str) -> Grade:
    """Check a question with its answer, such as ``"17+?=42;25"``.

    Raises:
        TypeError: if it is no text.
    """
    _require_text(text)
    written, separator, answer = text.partition(";")
    question = read_question(written)
    if question is None or not separator:
        return Grade(None, None, "not a question")
    solution = solve_question(question)
    if solution is None:
        return Grade(question, None, "no solution")
    if answer != str(solution):
        return Grade(question, solution, "wrong answer")
    return Grade(question, solution, "")


def _require_text(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"a question is read from text, got a {type(text).__name__}")


def all_questions() -> list[str]:
    """Every question of the rule with its answer: a template for each kind, all numbers put in.

    Sums, differences and rows of numbers from 1 to ``LARGEST``.
    """
    written = []
    for a in range(1, LARGEST):
        for b in range(1, LARGEST + 1 - a):
            written += _with_each_gap("sum", (a, b, a + b))
            written += _with_each_gap("difference", (a + b, b, a))
    for step in range(1, 5):
        for begin in range(1, LARGEST + 1 - 4 * step):
            row = tuple(begin + step * k for k in range(5))
            written += _with_each_gap("row", row) + _with_each_gap("row", row[::-1])
    return written


def _with_each_gap(kind: Kind, numbers: tuple[int, ...]) -> list[str]:
    gaps = range(len(numbers))
    return [f"{Question(kind, (*numbers[:i], None, *numbers[i + 1 :]))};{numbers[i]}" for i in gaps]


def write_questions(n: int, *, rng: torch.Generator) -> list[tuple[str, int]]:
    """Draw different questions with their difficulties: the template generator, never wrong.

    Raises:
        ValueError: if ``n`` is below 1, or more than there are.
    """
    as_count(n, "n")
    require_rng(rng)
    pile = all_questions()
    if n > len(pile):
        raise ValueError(f"there are {len(pile)} questions, and {n} different ones were asked for")
    chosen = []
    for i in torch.randperm(len(pile), generator=rng, device="cpu")[:n].tolist():
        question = grade_question(pile[i]).question
        assert question is not None
        chosen.append((pile[i], difficulty(question)))
    return chosen
