"""The ``coverage`` directive: where in this book each sentence of the source document is.

``book/coverage.yml`` holds the entries, in this book's words. Tests hold it to the book: every line
of the document has an entry, and every place is there.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .folds import Fold
from .places import CELL, find_place, places_of
from .repository import BOOK

COVERAGE = BOOK / "coverage.yml"
KEYS = {"id", "lines", "shown_in", "en"}
OPTIONAL = {"errata", "in_words"}
LABEL = re.compile(r"^\$\$ \(([\w-]+)\) *$", re.MULTILINE)
HEADING = re.compile(r"(#{1,3}) +\S")  # as in places
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
EXERCISE = re.compile(r"^\*\*(\d+)\. ", re.MULTILINE)
PARTS = {
    "": "Title", "1": "1 Background", "2": "2 Concepts", "3": "3 Algorithms", "4": "4 Mathematics",
    "5": "5 Practice", "6": "6 Applications", "7": "7 Resources",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What one or several sentences of the source document say.

    Attributes:
        id: number of the section and a word.
        lines: the document's lines, ranges with a hyphen.
        says: it, in the words of this book.
        shown_in: the places that realise or answer it.
        errata: numbers of what is wrong in it.
        in_words: whether it is answered in words, where nothing can be run.
    """

    id: str
    lines: str
    says: str
    shown_in: tuple[str, ...]
    errata: tuple[str, ...] = ()
    in_words: bool = False

    @property
    def part(self) -> str:
        """Number of the document's chapter, empty before the first."""
        return self.id[0] if self.id[0].isdecimal() else ""

    def line_numbers(self) -> Iterator[int]:
        """Yield the document's lines.

        >>> list(Entry("a", "3, 5-7", "", ()).line_numbers())
        [3, 5, 6, 7]
        """
        for part in self.lines.split(", "):
            first, _, last = part.partition("-")
            yield from range(int(first), int(last or first) + 1)


def read_coverage(path: Path = COVERAGE) -> list[Entry]:
    """Return the entries.

    Raises:
        ValueError: An entry lacks a key or has one too many, or an id occurs twice.
    """
    entries: dict[str, Entry] = {}
    for row in yaml.safe_load(path.read_text(encoding="utf-8")):
        if not KEYS <= set(row) <= KEYS | OPTIONAL:
            raise ValueError(f"{path.name}: an entry has the keys {sorted(row)}")
        if row["id"] in entries:
            raise ValueError(f"{path.name}: {row['id']} occurs twice")
        entries[row["id"]] = Entry(
            row["id"], row["lines"], row["en"], tuple(row["shown_in"]),
            tuple(row.get("errata", ())), row.get("in_words", False),
        )  # fmt: skip
    return list(entries.values())


@cache
def cells_of(page: str) -> tuple[Any, ...]:
    """Return the cells of a page.

    Raises:
        ValueError: There is no such notebook.
    """
    places_of(page)
    return tuple(nbformat.read(BOOK / f"{page}.ipynb", as_version=4).cells)


@cache
def marks_of(page: str) -> Mapping[str, str]:
    """Return the labels of a page's equations and the names of its exercises, each with a link."""
    number = next(iter(places_of(page).values())).number
    marks: dict[str, str] = {}
    for cell in cells_of(page):
        if cell.cell_type == "markdown":
            marks |= {label: f"{{eq}}`{label}`" for label in LABEL.findall(cell.source)}
            for n in EXERCISE.findall(cell.source):
                marks[f"exercise-{n}"] = f"[{number} exercise {n}]({page}.ipynb#exercises)"
    return marks


@cache
def definitions_of(page: str) -> Mapping[str, str]:
    """Return the code cell of each name that one cell of a page alone defines."""
    cells: dict[str, list[str]] = {}
    for cell in cells_of(page):
        if cell.cell_type == "code" and CELL.fullmatch(cell.id):
            for name in names_defined(ast.parse(cell.source)):
                cells.setdefault(name, []).append(cell.id)
    return {name: ids[0] for name, ids in cells.items() if len(ids) == 1}


def names_defined(tree: ast.Module) -> set[str]:
    """Return the names of the functions and classes of some code, and what it assigns."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            inside = (found for target in node.targets for found in ast.walk(target))
            names |= {found.id for found in inside if isinstance(found, ast.Name)}
    return names


def resolved(place: str) -> str:
    """Return a place as ``page#anchor``, a code cell by its id.

    Raises:
        ValueError: No cell of the page, or more than one, defines the name.
    """
    page, colon, name = place.partition(":")
    if colon and name not in definitions_of(page):
        raise ValueError(f"in {page} there is not one cell that defines {name}")
    return f"{page}#{definitions_of(page)[name]}" if colon else place


def link_to(place: str) -> str:
    """Return a link to a place in Markdown.

    Raises:
        ValueError: There is no such page, or nothing of that name on it.
    """
    page, _, anchor = resolved(place).partition("#")
    if not anchor:
        title = next(iter(places_of(page).values()))
        return f"[{title.number} {title.heading}]({page}.ipynb)"
    return marks_of(page).get(anchor) or find_place(resolved(place)).link()


def is_run(place: str) -> bool:
    """Return whether a place is, or has below its heading, what is run or tested.

    That is a code cell, an equation with a label, or an exercise. A page has them all.
    """
    page, _, anchor = resolved(place).partition("#")
    if not anchor or anchor in marks_of(page):
        return True
    return find_place(resolved(place)).is_cell or anchor in run_under(page)


@cache
def run_under(page: str) -> frozenset[str]:
    """Return the headings of a page below which, down to the next of their rank, code is run.

    Equations and exercises, which are tested, count too.
    """
    anchors = iter(anchor for anchor, found in places_of(page).items() if not found.is_cell)
    above: list[tuple[int, str]] = []
    found: set[str] = set()
    for cell in cells_of(page):
        if cell.cell_type == "code":
            found |= {anchor for _, anchor in above if CELL.fullmatch(cell.id)}
            continue
        for line in FENCED.sub("", cell.source).splitlines():
            if heading := HEADING.match(line):
                rank = len(heading[1])
                above = [*(pair for pair in above if pair[0] < rank), (rank, next(anchors))]
            elif LABEL.match(line) or EXERCISE.match(line):
                found |= {anchor for _, anchor in above}
    return frozenset(found)


class CoverageDirective(SphinxDirective):
    """All entries, a fold for each chapter of the source document."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the folds."""
        self.env.note_dependency(str(COVERAGE))
        folds: list[nodes.Node] = []
        entries = read_coverage()
        for part, title in PARTS.items():
            rows = [entry for entry in entries if entry.part == part]
            if not rows:
                continue
            for page in {
                resolved(place).partition("#")[0] for row in rows for place in row.shown_in
            }:
                self.env.note_dependency(str(BOOK / f"{page}.ipynb"))
            fold = Fold("", title=title, size=f"{len(rows)} entries", classes=["fold-coverage"])
            lines = ["| line | the document | here |", "|:--|:--|:--|", *map(row_of, rows)]
            self.state.nested_parse(StringList(lines, COVERAGE.name), 0, fold)
            folds.append(fold)
        return folds


def row_of(entry: Entry) -> str:
    """Return an entry as a row of a table in Markdown."""
    errata = [f"{{ref}}`{number} <erratum-{number.lower()}>`" for number in entry.errata]
    links = ", ".join([*map(link_to, entry.shown_in), *errata])
    return f"| {entry.lines.replace('-', '–')} | {entry.says} | {links} |"


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("coverage", CoverageDirective)
