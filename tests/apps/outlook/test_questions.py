"""Questions: the checker beside brute force, what it refuses, and what the rule writes."""

import inspect
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial.apps.outlook import questions


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def holds(question, answer):
    """Whether a question is true with an answer put into its gap."""
    numbers = [answer if number is None else number for number in question.numbers]
    if question.kind == "row":
        steps = {b - a for a, b in pairwise(numbers)}
        return len(steps) == 1 and steps != {0}
    a, b, c = numbers
    return a + b == c if question.kind == "sum" else a - b == c


@st.composite
def parts(draw):
    # Its parts: the checks of types at a dataclass use the module random, which hypothesis minds.
    kind = draw(st.sampled_from(["sum", "difference", "row"]))
    n = 5 if kind == "row" else 3
    numbers = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    if kind == "row" and draw(st.booleans()):
        begin, step = draw(st.integers(0, 12)), draw(st.integers(0, 3))
        numbers = [begin + step * k for k in range(n)]
    numbers[draw(st.integers(0, n - 1))] = None
    return kind, tuple(numbers)


@given(parts())
def test_the_solver_finds_the_one_number_that_makes_the_question_true(parts):
    question = questions.Question(*parts)
    right = [answer for answer in range(100) if holds(question, answer)]
    assert len(right) <= 1
    assert questions.solve_question(question) == (right[0] if right else None)


@given(parts())
def test_what_is_written_is_read_again(parts):
    question = questions.Question(*parts)
    assert questions.read_question(str(question)) == question


@pytest.mark.parametrize(
    "text",
    [
        "", "1+2=3", "?+?=3", "1+2", "1+2==?", "01+2=?", "1*2=?", "1+2=? ", "-1+2=?", "1,2,3,4,5",
        "1,2,?,4", "1,?,?,4,5", "1+2=?;3", "__import__('os')", "1+1000=?", "١+2=?",
    ],
)  # fmt: skip
def test_what_is_not_a_question_with_one_gap_is_not_read(text):
    assert questions.read_question(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("17+?=42;25", ""),
        ("?-5=0;5", ""),
        ("9,?,5,3,1;7", ""),
        ("17+?=42;24", "wrong answer"),
        ("17+?=42;025", "wrong answer"),
        ("17+?=42;", "wrong answer"),
        ("17+?=12;5", "no solution"),
        ("3-?=5;2", "no solution"),
        ("1,2,4,?,9;7", "no solution"),
        ("1,4,?,8,11;6", "no solution"),
        ("2,2,?,2,2;2", "no solution"),
        ("8,6,4,2,?;0", ""),
        ("4,3,1,?,0;1", "no solution"),
        ("6,4,2,0,?;2", "no solution"),
        ("17+?=42", "not a question"),
        ("1+1=2;2", "not a question"),
    ],
)
def test_grades(text, problem):
    grade = questions.grade_question(text)
    assert grade.problem == problem
    assert grade.right == (problem == "")
    assert grade.solvable == (problem in ("", "wrong answer"))


@pytest.mark.parametrize(
    ("text", "level"),
    [("12+7=?", 0), ("12+8=?", 1), ("?+9=18", 1), ("15-7=?", 1), ("17-?=5", 0), ("?-5=5", 1),
     ("1,3,?,7,9", 0), ("20,17,14,11,?", 1), ("1,4,7,?,13", 1)],
)  # fmt: skip
def test_hard_is_what_needs_a_carry_or_a_wide_step(text, level):
    question = questions.read_question(text)
    assert question is not None
    assert questions.difficulty(question) == level


def test_no_solution_has_no_difficulty():
    question = questions.read_question("3-?=5")
    assert question is not None
    with pytest.raises(ValueError, match="no solution"):
        questions.difficulty(question)


def test_the_rule_is_never_wrong_and_writes_no_question_twice():
    everything = questions.all_questions()
    assert len(set(everything)) == len(everything) == 570 + 570 + 400
    assert all(questions.grade_question(text).right for text in everything)
    assert set("".join(everything)) <= set(questions.ALPHABET)
    drawn = questions.write_questions(200, rng=seeded())
    assert len({text for text, _ in drawn}) == 200
    assert {level for _, level in drawn} == {0, 1}
    assert drawn == questions.write_questions(200, rng=seeded())
    assert drawn != questions.write_questions(200, rng=seeded(1))


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("product", (1, None, 3)),
        ("sum", (1, 2, 3)),
        ("sum", (None, None, 3)),
        ("sum", (1, None)),
        ("sum", (-1, None, 3)),
        ("row", (1, None, 3)),
    ],
)
def test_what_has_not_the_form_of_a_question_is_none(kind, numbers):
    # As where no types are checked.
    check: Any = inspect.unwrap(questions.Question.__post_init__)
    with pytest.raises(ValueError, match=r"no kind|whole numbers of 0 or more"):
        check(SimpleNamespace(kind=kind, numbers=numbers))


def test_a_carry_is_found_in_any_place():
    assert questions.difficulty(questions.Question("sum", (9_000, None, 10_000))) == 1
    assert questions.difficulty(questions.Question("sum", (8_000, None, 9_000))) == 0


def test_what_is_no_text_is_refused_as_that():
    for read in (questions.read_question, questions.grade_question):
        unchecked: Any = inspect.unwrap(read)
        with pytest.raises(TypeError, match="from text"):
            unchecked(None)


def test_more_questions_than_there_are_is_refused():
    with pytest.raises(ValueError, match="there are 1540"):
        questions.write_questions(1541, rng=seeded())
