"""Every notebook is committed in the form that readers, the book and Colab need."""

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import clean_notebooks
import colab_cell
import nbformat
import pytest
import run_pages
from aigc_book import budget, equations, errata

from aigc_tutorial import exercises
from tests.explorer_calls import explorer_calls, shown_calls

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = clean_notebooks.notebooks()
PAGES = sorted([*NOTEBOOKS, *(ROOT / "book").glob("*.md")])
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# What draws a figure. `pages.expect`, `pages.table` and the like write text.
DRAWS = re.compile(r"plt\.show\(\)|\.savefig\(|display\(fig")
EXERCISE = re.compile(r"^\*\*(\d+)\. [^*\n]+\*\* \(([\w-]+)\)", re.MULTILINE)
CHECKED = re.compile(r'exercises\.check\(\s*"([^"]+)"')
LABEL = re.compile(r"^\$\$\s*\(([\w:-]+)\)", re.MULTILINE)
LONGEST_CELL = 40  # lines, about a screen
ERRATA = re.compile(r"^```\{errata\}\s+(.+)$|\{ref\}`(?:[^`]*<)?erratum-(e\d+)>?`", re.MULTILINE)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def text_of(path: Path) -> str:
    """Return a page's Markdown."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = read(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def labels() -> dict[str, str]:
    """Return the page of each equation's label."""
    return {label: path.stem for path in PAGES for label in LABEL.findall(text_of(path))}


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@EACH
def test_notebook_is_in_its_committed_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cleaned = clean_notebooks.clean(nbformat.reads(text, as_version=4))
    assert nbformat.writes(cleaned) + "\n" == text, "run `make format`"
    nbformat.validate(cleaned)


@EACH
def test_first_code_cell_is_the_colab_cell(path: Path) -> None:
    notebook = read(path)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first == colab_cell.colab_cell(colab_cell.extras_of(notebook))


@pytest.mark.parametrize("extras", [(), tuple(colab_cell.EXTRAS)])
def test_colab_cell_installs_nothing_that_colab_brings(extras: tuple[str, ...]) -> None:
    source = colab_cell.colab_source(extras)
    installs = [line for line in source.splitlines() if "pip install" in line]
    assert len(installs) == 2 + len(extras)
    assert max(map(len, installs)) <= 100
    assert all("--no-deps" in line for line in installs)
    names = {word for line in installs for word in re.split(r"[\s=<>]+", line)}
    assert names.isdisjoint({"torch", "torchvision", "torchaudio", "numpy", "scipy", "matplotlib"})


@EACH
def test_every_figure_has_a_description(path: Path) -> None:
    without = []
    for cell in read(path).cells:
        if cell.cell_type == "code" and DRAWS.search(cell.source):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if len(alt) < 15:
                without.append(cell.source[:80])
    assert without == [], "give these cells the metadata mystnb: {image: {alt: …}}"


@EACH
def test_every_figure_has_a_caption_that_is_not_its_description(path: Path) -> None:
    """The build finds a film without one, when it counts what each cell shows."""
    for cell in read(path).cells:
        captions = cell.metadata.get("aigc", {}).get("captions", {}).get("en", [])
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if cell.cell_type == "code" and DRAWS.search(cell.source):
            assert captions, cell.source[:80]
        assert all(30 < len(words) < 400 and words[-1] == "." for words in captions), captions
        assert alt.rstrip(".") not in {words.rstrip(".") for words in captions}


@EACH
def test_every_explorer_is_shown(path: Path) -> None:
    """An explorer that is neither the end of its cell nor displayed is on no page."""
    for cell in read(path).cells:
        if cell.cell_type == "code" and cell.id != colab_cell.CELL_ID:
            code = ast.parse(cell.source)
            lost = set(explorer_calls(code)) - set(shown_calls(code))
            assert not lost, f"let {cell.id} end with its explorer, or `display` it"


@EACH
def test_tags_are_known(path: Path) -> None:
    known = {
        "colab",
        "hide-cell",
        "hide-input",
        "hide-output",
        "nbval-check-output",
        "nbval-ignore-output",
        "raises-exception",
        "remove-cell",
        "remove-input",
        "remove-output",
    }
    used = {tag for cell in read(path).cells for tag in cell.metadata.get("tags", [])}
    assert used <= known


@EACH
def test_code_is_python(path: Path) -> None:
    """Apart from the Colab cell no cell has magics: the page runs as plain Python too."""
    for cell in read(path).cells:
        if cell.cell_type == "code" and cell.id != colab_cell.CELL_ID:
            ast.parse(cell.source)


@EACH
def test_no_cell_is_longer_than_a_screen(path: Path) -> None:
    """A cell holds one thought; helpers and plotting that pages share belong in the package."""
    lengths = {
        cell.id: len(cell.source.splitlines())
        for cell in read(path).cells
        if cell.cell_type == "code"
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_CELL} == {}


@EACH
def test_exercises_are_numbered_in_one_way(path: Path) -> None:
    """**1. Title** (level), from 1 on, with the level that the exercise is declared with."""
    cells = read(path).cells
    number, names = 0, []
    for cell, after in pairwise(cells):
        asked = EXERCISE.findall(cell.source) if cell.cell_type == "markdown" else []
        for found, level in asked:
            number += 1
            assert int(found) == number
            assert level in {"warm-up", "core", "research", "open"}
        if checked := CHECKED.search(after.source if after.cell_type == "code" else ""):
            assert asked, f"{checked[1]} has no line such as **1. Title** (core)"
            assert asked[-1][1] == exercises.find(checked[1]).level
            names.append(checked[1])
    assert sorted(names) == sorted(exercises.names(path.stem))


def test_every_equation_has_a_test_and_every_test_an_equation() -> None:
    tests = equations.equation_tests()
    in_pages = labels()
    assert sorted(set(in_pages) - set(tests)) == [], "equations without a test"
    assert sorted(set(tests) - set(in_pages)) == [], "tests of equations that no page has"


def test_labels_occur_once() -> None:
    found = [label for path in PAGES for label in LABEL.findall(text_of(path))]
    assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_errata_exist(path: Path) -> None:
    known = errata.read_errata()
    for shown, linked in ERRATA.findall(text_of(path)):
        for number in [*shown.split(), *([linked.upper()] if linked else [])]:
            assert number in known, f"{number} is not in {errata.ERRATA.name}"


def test_every_erratum_is_shown_on_its_page_and_on_no_other() -> None:
    shown = {
        (path.stem, number)
        for path in NOTEBOOKS
        for match in ERRATA.finditer(text_of(path))
        for number in (match[1] or "").split()
    }
    entries = errata.read_errata().values()
    taught = {(e["page"], e["id"]) for e in entries if e["page"] != errata.RUN_PAGE}
    assert taught - shown == set(), "an entry that its page does not show"
    assert shown - taught == set(), "`page` in errata.yml is another one"


@EACH
def test_page_shows_its_measured_budget(path: Path) -> None:
    assert "```{budget}" in text_of(path)
    entry = budget.read_budgets().get(path.stem)
    assert entry is not None, "run `make budgets`"
    assert set(entry) == {"download_mib", *run_pages.conditions_of(path)}, "run `make budgets`"
    for condition in run_pages.conditions_of(path):
        assert entry[condition]["seconds"] > 0
        assert 0 < entry[condition]["peak_memory_mib"] < run_pages.MEMORY_LIMIT_MIB


def test_no_budget_is_left_over() -> None:
    assert set(budget.read_budgets()) <= {path.stem for path in NOTEBOOKS}


def test_table_of_contents_lists_every_page() -> None:
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?:file|root): book/([\w/]+)", toc))
    existing = {p.relative_to(ROOT / "book").with_suffix("").as_posix() for p in PAGES}
    existing |= {f"api/{p.stem}" for p in (ROOT / "book" / "api").glob("*.md")}
    assert listed == existing


def test_pages_cite_all_that_the_list_of_references_holds_and_nothing_else() -> None:
    references = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    held = re.findall(r"^@\w+\{(.+),$", references, re.MULTILINE)
    texts = "\n".join(text_of(path) for path in PAGES)
    for name in ("errata.yml", "resources.yml"):
        texts += (ROOT / "book" / name).read_text(encoding="utf-8")
    cited = {
        key.strip()
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", texts)
        for key in keys.split(",")
    }
    assert len(set(held)) == len(held)
    assert cited == set(held)
