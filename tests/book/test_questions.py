"""The questions, the glossary, and every link from them into the book."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from aigc_book import equations, faq, glossary, places, repository
from sphinx.application import Sphinx

from tests import small_notebooks

PAGE = "09_faq"
QUESTIONS = faq.read_faq()
TERMS = glossary.read_glossary()
LINK = re.compile(r"\]\((\w+)\.ipynb(?:#([^)]+))?\)")
LABEL = re.compile(r"\{eq\}`(?:[^`<]*<)?([\w:-]+)>?`")
# What no answer types: results with a decimal point, shares in percent.
RESULT = re.compile(r"\d\.\d|\d ?%")
NO_PROSE = re.compile(r"\$[^$]*\$|`[^`]*`|\]\([^)]*\)")


@cache
def cells_of(page: str) -> list[Any]:
    cells: list[Any] = nbformat.read(repository.BOOK / f"{page}.ipynb", as_version=4).cells
    return cells


def text_at(name: str) -> str:
    """Return the words of a section with its code, or a code cell, by ``page#anchor``."""
    place = places.find_place(name)
    cells = cells_of(place.page)
    if place.is_cell:
        return str(next(cell.source for cell in cells if cell.id == place.anchor))
    taken: dict[str, places.Place] = {}
    inside, found = False, []
    for cell in cells:
        parts = [cell.source]
        if cell.cell_type == "markdown":
            parts = re.split(r"(?m)^(?=#{1,3} )", cell.source)
        for part in parts:
            if cell.cell_type == "markdown" and (
                match := re.match(r"#{1,3} +(.+?) *(?:\n|$)", part)
            ):
                anchor = places.slug(match[1], taken)
                taken[anchor] = place
                inside = anchor == place.anchor
            if inside:
                found.append(part)
    return " ".join(" ".join(found).split())


# ---- what the files hold ----


def test_there_are_questions_of_every_kind() -> None:
    assert len(QUESTIONS) >= 36
    assert len(TERMS) >= 120


def test_every_question_was_asked_more_than_once() -> None:
    for name, entry in QUESTIONS.items():
        threads = entry["asked_in"]
        urls = [thread["url"] for thread in threads]
        assert len({faq.thread_name(url) for url in urls}) == len(urls) >= 2, name
        assert all(set(thread) == {"url", "title"} for thread in threads), name


def test_answers_are_short_and_type_no_result() -> None:
    for name, entry in QUESTIONS.items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        question, answer = entry["en"]["question"], entry["en"]["answer"]
        assert len(question) < 120, name
        assert 35 <= len(answer.split()) <= 90, name
        assert RESULT.search(NO_PROSE.sub("", answer)) is None, name


def test_every_place_that_shows_an_answer_exists() -> None:
    for name, entry in QUESTIONS.items():
        assert entry["shown_in"], name
        for place in entry["shown_in"]:
            places.find_place(place)
        for page, anchor in LINK.findall(entry["en"]["answer"]):
            assert not anchor or places.find_place(f"{page}#{anchor}")


def test_every_equation_that_an_answer_names_exists() -> None:
    answers = " ".join(entry["en"]["answer"] for entry in QUESTIONS.values())
    assert set(LABEL.findall(answers)) <= set(equations.equation_tests())


def test_the_page_shows_every_group_once() -> None:
    shown = [
        group
        for cell in cells_of(PAGE)
        if cell.cell_type == "markdown"
        for group in re.findall(r"^```\{faq\} (\w+)$", cell.source, re.MULTILINE)
    ]
    assert sorted(shown) == sorted({entry["group"] for entry in QUESTIONS.values()})


def test_what_only_this_page_shows_is_asked_for() -> None:
    """Each demonstration belongs to an answer."""
    used = {place for entry in QUESTIONS.values() for place in entry["shown_in"]}
    own = [cell.source for cell in cells_of(PAGE) if cell.cell_type == "markdown"]
    headings = [words for source in own for words in re.findall(r"(?m)^### (.+)$", source)]
    assert headings
    assert {f"{PAGE}#{places.slug(words, {})}" for words in headings} <= used


def test_every_term_stands_where_it_is_introduced() -> None:
    for term, entry in TERMS.items():
        text = text_at(entry["introduced"])
        names = [term, *entry.get("forms", [])]
        assert any(re.search(rf"(?<![a-z]){re.escape(n)}", text, re.I) for n in names), term
        assert re.search(r"[一-鿿]", entry["zh"]), term
        meaning = entry["means"]["en"]
        assert 10 < len(meaning) < 160, term
        assert meaning.endswith("."), term
        assert not set(meaning) & set("$`"), f"the meaning of {term} is plain text"


# ---- what is refused ----

GOOD = {
    "id": "a-question",
    "group": "some",
    "en": {"question": "Why?", "answer": "Because."},
    "shown_in": ["small#a-heading"],
    "asked_in": [{"url": "https://github.com/a/b/issues/1", "title": "why"}],
}
WORD = {"term": "noise", "zh": "噪声", "means": {"en": "Chance."}, "introduced": "small#a-heading"}


def written(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(list(entries), allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([GOOD, GOOD], "a-question occurs twice"),
        ([{key: value for key, value in GOOD.items() if key != "en"}], "at least one language"),
        ([GOOD | {"more": 1}], "has the keys"),
        ([GOOD | {"zh": {"question": "为什么？"}}], r"\['question'\] under zh"),
    ],
)
def test_a_faulty_question_is_refused(tmp_path: Path, entries: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        faq.read_faq(written(tmp_path / "faq.yml", *entries))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([WORD, WORD], "occurs twice"),
        ([WORD, WORD | {"term": "other"}], "噪声 occurs twice"),
        ([WORD | {"more": 1}], "has the keys"),
    ],
)
def test_a_faulty_term_is_refused(tmp_path: Path, entries: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        glossary.read_glossary(written(tmp_path / "glossary.yml", *entries))


def test_a_meaning_in_the_wanted_language_is_required() -> None:
    with pytest.raises(ValueError, match="noise has no meaning in 'zh'"):
        glossary.markup({"noise": WORD}, "zh")


def test_an_address_that_is_no_thread_is_refused() -> None:
    assert faq.thread_name("https://github.com/a/b.c/pull/7") == "a/b.c#7"
    with pytest.raises(ValueError, match="no issue"):
        faq.thread_name("https://github.com/a/b")


def test_a_place_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="its headings are"):
        places.find_place(f"{PAGE}#no-such-heading")
    with pytest.raises(ValueError, match="no notebook"):
        places.find_place("no_such_page#a")


# ---- what the directives make ----


def small_book(root: Path) -> Path:
    """Write a book of one notebook, with a question and a term."""
    folder = root / "book"
    folder.mkdir()
    text = (
        "# 7.1 A small page\n\n## A heading\n\n```{faq} some\n```\n\n"
        "{ref}`question-a-question`, {ref}`run it <small:cell-001>`, {term}`噪声`"
    )
    cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell("1 + 1"),
    ]
    small_notebooks.write(folder / "small.ipynb", cells)
    (folder / "words.md").write_text("# Words\n\n```{words}\n```\n")
    (folder / "index.md").write_text("# Book\n\n```{toctree}\nsmall\nwords\n```\n")
    written(folder / "faq.yml", GOOD | {"shown_in": ["small#a-heading", "small#cell-001"]})
    written(folder / "glossary.yml", WORD)
    return folder


def built(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the pages of the small book as HTML; a warning is an error."""
    folder = small_book(root)
    for module in (places, faq, glossary):
        monkeypatch.setattr(module, "BOOK", folder)
    monkeypatch.setattr(faq, "FAQ", folder / "faq.yml")
    monkeypatch.setattr(glossary, "GLOSSARY", folder / "glossary.yml")
    places.places_of.cache_clear()
    parts = ("folds", "page_order", "places", "faq", "glossary")
    app = Sphinx(
        folder, None, root / "out", root / "trees", "html",
        confoverrides={
            "extensions": ["myst_nb", *(f"aigc_book.{part}" for part in parts)],
            "nb_execution_mode": "off",
            "myst_heading_anchors": 3,
            "language": "en",
        },
        status=None,
        warningiserror=True,
    )  # fmt: skip
    try:
        app.build()
    finally:
        places.places_of.cache_clear()
    return {path.stem: path.read_text(encoding="utf-8") for path in (root / "out").glob("*.html")}


def test_links_lead_where_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = built(tmp_path, monkeypatch)
    page, words = pages["small"], pages["words"]
    assert len(re.findall(r'id="question-a-question"', page)) == 1
    assert re.search(r"<h3>Why\?", page), "a question is a heading under that of its group"
    assert len(re.findall(r'id="cell-001"', page)) == 1
    assert len(re.findall(r'href="#cell-001"', page)) == 2
    assert 'href="#question-a-question"' in page
    assert re.search(r'<details class="fold fold-asked">\s*<summary>Asked in 1 public', page)
    assert re.search(r'href="https://github.com/a/b/issues/1">why</a> \(a/b#1\)', page)
    assert 'href="words.html#term-0"' in page
    assert re.search(r"Chance\. <a [^>]*href=\"small\.html#a-heading\"", words)
    assert words.index("noise") < words.index("噪声") < words.index("Chance.")
