"""The ``path-cost`` role: how much there is to read and to compute on a way through the book.

``{path-cost}`02_1_concepts 05_4_results``` counts the words of these pages and adds up their
measured times; ``*`` stands for all of them.
"""

import re
from collections.abc import Iterable
from typing import ClassVar

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from .budget import BUDGETS, read_budgets
from .repository import BOOK

WORD = re.compile(r"[^\W\d_]+(?:[’'-][^\W\d_]+)*")
WORDS_A_MINUTE = 120  # of a text with formulas and code between the words
# What no reader reads word by word: formulas, code, and the addresses and options of markup.
NOT_READ = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", re.DOTALL)


def n_words(page: str) -> int:
    """Return how many words a page's text has."""
    notebook = nbformat.read(BOOK / f"{page}.ipynb", as_version=4)
    return words_in(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def words_in(texts: Iterable[str]) -> int:
    """Return how many words some texts have, without code and formulas."""
    return sum(len(WORD.findall(NOT_READ.sub(" ", text))) for text in texts)


def all_pages() -> list[str]:
    """Return every notebook of the book, in order."""
    return sorted(path.stem for path in BOOK.glob("[0-9]*.ipynb"))


def cost(pages: list[str]) -> str:
    """Return the sum over pages, in words."""
    budgets = read_budgets()
    minutes = sum(budgets[page]["offline"]["seconds"] for page in pages if page in budgets) / 60
    words = round(sum(map(n_words, pages)), -3)
    hours = max(1, round(words / WORDS_A_MINUTE / 60))
    return (
        f"{len(pages)} pages, {words:,} words: {hours} h at {WORDS_A_MINUTE} words a minute, "
        f"and {max(1, round(minutes))} min of computing"
    )


class PathCost(SphinxRole):
    """The sum over the pages that are named."""

    every: ClassVar[str] = "*"

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the sum as text; a page that is not there is an error of the build."""
        pages = all_pages() if self.text == self.every else self.text.split()
        self.env.note_dependency(str(BUDGETS))
        for page in pages:
            self.env.note_dependency(str(BOOK / f"{page}.ipynb"))
        return [nodes.inline("", cost(pages), classes=["path-cost"])], []


def setup(app: Sphinx) -> None:
    """Register the role."""
    app.add_role("path-cost", PathCost())
