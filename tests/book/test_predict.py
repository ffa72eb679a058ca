"""Questions that a page asks before it shows a result."""

from typing import Any

import pytest
from aigc_book import predict
from aigc_book.folds import Fold
from docutils import nodes
from docutils.core import publish_doctree
from myst_parser.parsers.docutils_ import Parser

QUESTION = """\
Before.

**Predict first.** Which of the two learns faster?

1. The network *with* a memory.
2. The network without.

<details><summary>Answer</summary>

**{right}.** It has to learn nothing twice.

A second paragraph.

</details>

After.
"""


def read(text: str) -> Any:
    return publish_doctree(
        text, parser=Parser(), settings_overrides={"myst_suppress_warnings": ["myst"]}
    )


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(
        predict.LOGGER, "warning", lambda text, *values, **_: told.append(text % values)
    )
    return told


def test_a_question_has_its_choices_and_its_answer_folded(complaints: list[str]) -> None:
    page = read(QUESTION.format(right=2))
    predict.make_questions(None, page)  # type: ignore[arg-type]
    assert complaints == []
    before, question, after = page
    assert (before.astext(), after.astext()) == ("Before.", "After.")
    first, second = question.findall(predict.Choice)
    assert [first.astext(), second.astext()] == [
        "The network with a memory.",
        "The network without.",
    ]
    assert (first["right"], second["right"]) == (False, True)
    assert first["question"] == second["question"] == question["name"]
    assert question[0]["ids"] == [question["name"]]
    (fold,) = question.findall(Fold)
    assert fold["title"] == "Answer"
    assert fold.astext() == "2. It has to learn nothing twice.\n\nA second paragraph."


def test_each_question_of_a_page_has_its_own_name(complaints: list[str]) -> None:
    page = read(QUESTION.format(right=1) * 2)
    predict.make_questions(None, page)  # type: ignore[arg-type]
    names = {question["name"] for question in page.findall(predict.Prediction)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (QUESTION.format(right=3), "names choice 3 of 2"),
        (QUESTION.format(right="It"), "begins with the number"),
        (QUESTION.format(right=1).replace("</details>", ""), "begins with the number"),
        (QUESTION.format(right=1).replace("2. The network without.\n", ""), "two to four"),
        ("**Predict first.** Which?\n\nSome text.", "two to four"),
    ],
)
def test_a_question_without_its_parts_fails_the_build(
    text: str, complaint: str, complaints: list[str]
) -> None:
    page = read(text)
    before = page.astext()
    predict.make_questions(None, page)  # type: ignore[arg-type]
    assert len(complaints) == 1
    assert complaint in complaints[0]
    assert page.astext() == before


def test_other_bold_openings_are_no_questions(complaints: list[str]) -> None:
    page = read("**Predict first** is a habit.\n\n1. One.\n2. Two.")
    predict.make_questions(None, page)  # type: ignore[arg-type]
    assert list(page.findall(predict.Prediction)) == []
    assert list(page.findall(nodes.enumerated_list)) != []
    assert complaints == []
