"""The ``book-numbers`` directive: how large book, package and tests are, counted from their files.

``tools/count_book.py`` prints the same table.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from .budget import CONDITIONS, read_budgets
from .equations import equation_tests
from .reading_paths import EXERCISE, words_in
from .repository import ROOT

_ERRATA = re.compile(r"^`{3,}\{errata(?:-run)?\}((?:\s+E\d+)+)", re.MULTILINE)
_TEST = re.compile(r"^ *(?:async )?def test_", re.MULTILINE)
MEBIBYTE = 2**20


def count(root: Path = ROOT) -> dict[str, str]:
    """Return what is counted, and how much of it there is.

    Args:
        root: The repository.
    """
    book = root / "book"
    pages = [json.loads(path.read_text("utf-8")) for path in sorted(book.glob("[0-9]*.ipynb"))]
    texts, codes = sources(pages, "markdown"), sources(pages, "code")
    budgets = read_budgets(book / "budgets.json").values()
    weights = root / "aigc_tutorial" / "zoo" / "weights"
    exercises = {name for code in codes for name in EXERCISE.findall(code)}
    errata = {
        number for text in texts for group in _ERRATA.findall(text) for number in group.split()
    }
    tests = python_texts(root / "tests")
    numbers = {
        "Pages that run": len(pages),
        "Words on them": words_in(texts),
        "Code cells": len(codes),
        "Lines of code in the cells": n_lines(codes),
        "Numbered equations, each computed on both sides by a test": len(
            equation_tests(root / "tests" / "equations")
        ),
        "Numbered figures, films and explorers": sum(map(n_captions, pages)),
        "Diagrams": len(list((book / "_diagrams").glob("*.html"))),
        "Exercises that check themselves": len(exercises),
        "Errata of the source document that are shown": len(errata),
        "Tests, before their parameters multiply them": sum(len(_TEST.findall(t)) for t in tests),
        "Lines of the package": n_lines(python_texts(root / "aigc_tutorial")),
        "Lines of the tests": n_lines(tests),
        "Models in the zoo": len([path for path in weights.iterdir() if path.is_dir()]),
    }
    shown = {name: f"{number:,}" for name, number in numbers.items()}
    size = sum(path.stat().st_size for path in weights.rglob("*") if path.is_file())
    shown["Size of the zoo"] = f"{size / MEBIBYTE:.0f} MiB"
    for condition, words in CONDITIONS.items():
        # A page that loads nothing was measured once, for both.
        runs = [entry.get(condition, entry["offline"]) for entry in budgets]
        minutes = sum(run["seconds"] for run in runs) / 60
        memory = max((run["peak_memory_mib"] for run in runs), default=0)
        shown[f"Computing time of all pages {words}"] = f"{minutes:.0f} min"
        shown[f"Memory of the largest page {words}"] = f"{memory:,.0f} MiB"
    download = max((entry["download_mib"] for entry in budgets), default=0)
    shown["Largest download of a page"] = f"{download:.1f} MiB"
    return shown


def sources(pages: Iterable[dict[str, Any]], kind: str) -> list[str]:
    """Return the text of every cell of a kind."""
    cells = (cell for page in pages for cell in page["cells"] if cell["cell_type"] == kind)
    return ["".join(cell["source"]) for cell in cells]


def n_captions(page: dict[str, Any]) -> int:
    """Return how many figures the cells of a page show."""
    captions = (cell["metadata"].get("aigc", {}).get("captions", {}) for cell in page["cells"])
    return sum(len(by_language.get("en", [])) for by_language in captions)


def python_texts(folder: Path) -> list[str]:
    """Return the Python files of a folder."""
    return [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))]


def n_lines(texts: Iterable[str]) -> int:
    """Return how many lines are not empty."""
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def table(numbers: dict[str, str]) -> str:
    """Return the numbers as a table of Markdown."""
    rows = [f"| {name} | {number} |" for name, number in numbers.items()]
    return "\n".join(["| What | How much |", "|:---|---:|", *rows])


class BookNumbersDirective(SphinxDirective):
    """The table, counted anew with every build."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        self.env.note_reread()
        part = nodes.container()
        lines = StringList(table(count()).splitlines(), "book numbers")
        nested_parse_with_titles(self.state, lines, part)
        return list(part.children)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("book-numbers", BookNumbersDirective)
