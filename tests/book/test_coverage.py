"""Each sentence of the source document has its place in the book, and each erratum is run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from aigc_book import coverage, errata, places, repository
from aigc_book.coverage import Entry
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from tests import small_notebooks

ENTRIES = coverage.read_coverage()
ERRATA = errata.read_errata()
LAST_LINE = 508  # of the source document
# Its lines without text; those that stand inside a range of an entry are left out.
BLANK = """
    1-2, 4, 7, 9, 12, 15, 18, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 61, 63, 69, 71,
    73, 75, 96, 98, 101, 103, 105, 107, 111, 116, 119, 122, 124, 127, 132, 135, 138, 140, 142,
    145, 147, 150, 152, 154, 160, 163, 165, 167, 169, 172, 176, 178, 181, 185, 187, 189, 192,
    196, 198, 203, 206, 210, 212, 214, 216, 219, 222, 226, 231, 234, 237, 240, 242, 244, 250,
    255, 260, 265, 267, 269, 271, 273, 277, 289, 294, 306, 311, 317, 321, 323, 328, 333, 335,
    341, 348, 353, 358, 361, 364, 366, 372, 377, 383, 386, 392, 394, 396, 400, 403, 406, 409,
    415, 417, 419, 421, 423, 430, 432, 435, 437, 439, 441, 443, 445, 447, 449, 451, 453, 455,
    460, 463, 465, 467, 469, 471, 473, 475, 477, 479, 481, 483, 485, 487, 489, 491, 493, 495,
    497, 499, 501, 503, 505, 507
"""


def lines_of(text: str) -> set[int]:
    return set(Entry("", " ".join(text.split()), "", ()).line_numbers())


def test_every_line_with_text_has_an_entry_and_no_other_has() -> None:
    covered = {number for entry in ENTRIES for number in entry.line_numbers()}
    blank = lines_of(BLANK)
    assert sorted(set(range(1, LAST_LINE + 1)) - covered - blank) == []
    assert max(covered) == LAST_LINE
    alone = [number for entry in ENTRIES for number in lines_of(entry.lines.replace("-", ", "))]
    assert sorted(blank & set(alone)) == [], "ranges begin and end with text"


def test_entries_are_in_the_order_of_their_lines_and_chapters() -> None:
    firsts = [next(entry.line_numbers()) for entry in ENTRIES]
    assert firsts == sorted(firsts)
    assert [entry.part for entry in ENTRIES] == sorted(entry.part for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_entry_has_its_place(entry: Entry) -> None:
    assert entry.shown_in, f"no page has: {entry.says}"
    assert all(coverage.link_to(place) for place in entry.shown_in)
    assert not re.search(r"#cell-\d", " ".join(entry.shown_in)), "numbers of cells change: name it"
    assert any(map(coverage.is_run, entry.shown_in)) != entry.in_words
    assert entry.says.endswith(".")


def test_every_erratum_is_named_and_shares_a_line_with_each_entry_that_names_it() -> None:
    named = [(number, entry) for entry in ENTRIES for number in entry.errata]
    assert {number for number, _ in named} == set(ERRATA)
    assert len(set(named)) == len(named)
    for number, entry in named:
        there = lines_of(ERRATA[number]["lines"].replace("–", "-"))
        assert there & set(entry.line_numbers()), (number, entry.id)


def errata_run() -> Iterator[str]:
    """The errata that code cells reproduce, as their first lines say: ``# E47, E48``."""
    for cell in nbformat.read(repository.BOOK / "10_errata.ipynb", as_version=4).cells:
        first = cell.source.partition("\n")[0]
        if cell.cell_type == "code" and re.fullmatch(r"# E\d+(, E\d+)*", first):
            yield from first.removeprefix("# ").split(", ")


def test_every_erratum_has_a_cell_that_reproduces_it() -> None:
    assert set(errata_run()) == set(ERRATA)


# ---- what the directive makes, on a small book ----

TEXTS = [
    "# 7.1 A small page\n\nWords.",
    "## A sum\n\n$$\na + b = b + a\n$$ (small-sum)\n\n## Words alone\n\nNothing.",
    "## Code\n\n### Inside\n\nRun it.",
    "## Exercises\n\n**1. Add** (warm-up).",
]
CODES = ["def add(a, b):\n    return a + b", "twice = 1", "twice = 2"]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A book of one page."""
    cells = [nbformat.v4.new_markdown_cell(text) for text in TEXTS]
    cells[3:3] = [nbformat.v4.new_code_cell(code) for code in CODES]
    folder = tmp_path / "book"
    folder.mkdir()
    small_notebooks.write(folder / "07_1_small.ipynb", cells)
    for module in (places, coverage):
        monkeypatch.setattr(module, "BOOK", folder)
    caches: list[Any] = [places.places_of]
    caches += [coverage.cells_of, coverage.marks_of, coverage.definitions_of, coverage.run_under]
    for cached in caches:
        cached.cache_clear()
    yield folder
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("place", "link", "run"),
    [
        ("07_1_small", "[7.1 A small page](07_1_small.ipynb)", True),
        ("07_1_small#a-sum", "[7.1 A sum](07_1_small.ipynb#a-sum)", True),
        ("07_1_small#small-sum", "{eq}`small-sum`", True),
        ("07_1_small#words-alone", "[7.1 Words alone](07_1_small.ipynb#words-alone)", False),
        ("07_1_small#code", "[7.1 Code](07_1_small.ipynb#code)", True),
        ("07_1_small#exercise-1", "[7.1 exercise 1](07_1_small.ipynb#exercises)", True),
        ("07_1_small:add", "{ref}`7.1 Inside (the run) <07_1_small:cell-003>`", True),
    ],
)
def test_a_place_has_its_link_and_what_is_run_is_known(
    small: Path, place: str, link: str, run: bool
) -> None:
    assert coverage.link_to(place) == link
    assert coverage.is_run(place) == run


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("07_2_none", "no notebook"),
        ("07_1_small#exercise-2", "no heading"),
        ("07_1_small#other-sum", "no heading"),
        ("07_1_small:twice", "not one cell that defines twice"),
        ("07_1_small:lost", "not one cell that defines lost"),
    ],
)
def test_a_place_that_is_not_there_is_refused(small: Path, place: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coverage.link_to(place)


def test_an_entry_with_another_key_or_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "coverage.yml"
    entry = "{id: a, lines: '1', shown_in: [b], en: c"
    path.write_text(f"- {entry}, more: d}}\n")
    with pytest.raises(ValueError, match="has the keys"):
        coverage.read_coverage(path)
    path.write_text(f"- {entry}}}\n- {entry}}}\n")
    with pytest.raises(ValueError, match="a occurs twice"):
        coverage.read_coverage(path)


def test_readers_see_a_fold_for_each_chapter_with_links(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small / "coverage.yml"
    path.write_text(
        "- {id: title, lines: '1', shown_in: [07_1_small], en: A title.}\n"
        "- {id: 4.2-sum, lines: '3-5, 7', en: A sum.,\n"
        "   shown_in: ['07_1_small#a-sum', '07_1_small:add']}\n"
    )
    monkeypatch.setattr(coverage, "COVERAGE", path)
    monkeypatch.setattr(coverage.read_coverage, "__defaults__", (path,))
    (small / "index.md").write_text(
        "# Places\n\n```{toctree}\n07_1_small\n```\n\n```{coverage}\n```\n"
    )
    with docutils_namespace():
        Sphinx(
            small, None, small.parent / "out", small.parent / "trees", "html",
            {
                "extensions": [
                    "myst_nb", *(f"aigc_book.{part}" for part in ("folds", "places", "coverage"))
                ],
                "nb_execution_mode": "off", "myst_heading_anchors": 3, "language": "en",
                "myst_enable_extensions": ["dollarmath"],
            },
            status=None, warningiserror=True,
        ).build()  # fmt: skip
    page = (small.parent / "out" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<summary>(.*?) <span", page) == ["Title", "4 Mathematics"]
    for aim in ("07_1_small.html", "07_1_small.html#a-sum", "07_1_small.html#cell-003"):
        assert f'href="{aim}"' in page
    assert "3–5, 7" in page
