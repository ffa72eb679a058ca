"""Exercises ask to run a cell; the built page says where that can be done."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromium
import pytest
from aigc_book import exercise_note
from clean_notebooks import notebooks
from docutils import nodes
from docutils.utils import new_document

TASK = f"{exercise_note.TASK} A wrong answer gets a reason."


def page(*texts: str, code: str = "exercises.check('x', f)") -> nodes.document:
    document = new_document("page")
    document += [nodes.paragraph("", text) for text in texts]
    cell = nodes.container("", nb_element="cell_code")
    cell += nodes.literal_block("", code)
    document += cell
    return document


def note(document: nodes.document) -> None:
    builder = SimpleNamespace(get_relative_uri=lambda _, there: f"{Path(there).name}.html")
    env = SimpleNamespace(docname="book/05_4_results")
    exercise_note.add_note(SimpleNamespace(builder=builder, env=env), document)  # type: ignore[arg-type]


def test_one_sentence_says_where_cells_are_run() -> None:
    document = page("Before.", TASK)
    note(document)
    text = document[1].astext()
    assert text == (f"{TASK} On this page nothing runs: open it in Colab, or on your own machine.")
    colab, own = (reference["refuri"] for reference in document.findall(nodes.reference))
    assert colab.startswith("https://colab.research.google.com/github/")
    assert colab.endswith("/blob/main/book/05_4_results.ipynb")
    assert own == "05_1_environment.html#five-ways-to-install"


def test_that_nothing_is_solved_is_not_said() -> None:
    document = page(TASK)
    (cell,) = document.findall(nodes.container)
    output = nodes.container("", nb_element="cell_code_output")
    output += nodes.literal_block("", "○ short-sight: not solved yet\n")
    output += nodes.literal_block("", "another word")
    cell += output
    note(document)
    assert output.astext() == "another word"
    output.clear()
    output += nodes.literal_block("", "○ short-sight: not solved yet")
    exercise_note.leave_out_unsolved(cell)
    assert output not in cell.children


def test_a_page_without_exercises_says_nothing() -> None:
    document = page(TASK, code="print(1)")
    note(document)
    assert document[0].astext() == TASK


@pytest.mark.parametrize("texts", [(), (TASK, TASK)])
def test_a_page_that_does_not_say_it_once_is_a_warning(
    texts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(exercise_note.LOGGER, "warning", lambda *values, **_: told.append(values))
    note(page(*texts))
    assert [values[2] for values in told] == [len(texts)]


@pytest.mark.built
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_the_sentence_leads_where_the_button_leads(path: Path) -> None:
    html = (chromium.HTML / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    has_exercises = any("exercises.check(" in "".join(cell["source"]) for cell in cells)
    links = re.findall(r'href="(https://colab\.research\.google\.com/[^"]*)"', html)
    assert links.count(exercise_note.colab_address(f"book/{path.stem}")) == len(links)
    assert len(links) == 1 + has_exercises
