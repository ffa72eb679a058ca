"""Ways through the book: which pages, and how much there is to read, to compute and to solve.

``book/reading_paths.yml`` names the pages. ``{path-pages}`evening``` links to those of one way,
``{path-cost}`evening``` counts their words and adds up their measured times, and ``{course-plan}``
is a table of the course's sessions.
"""

import json
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import nested_parse_with_titles

from .budget import BUDGETS, read_budgets
from .repository import BOOK

PATHS = BOOK / "reading_paths.yml"
COURSE = "course"
WORD = re.compile(r"[^\W\d_]+(?:[’'-][^\W\d_]+)*")
WORDS_A_MINUTE = 120  # of a text with formulas and code between the words
# What no reader reads word by word: formulas, code, and the addresses and options of markup.
NOT_READ = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", re.DOTALL)
EXERCISE = re.compile(r"exercises\.check\(\s*[\"']([\w-]+)")
_TITLE_NUMBER = re.compile(r"# ([\d.]*\d)")


def cells_of(page: str, kind: str) -> list[str]:
    """Return the text of a page's cells of a kind."""
    notebook = json.loads((BOOK / f"{page}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def n_words(page: str) -> int:
    """Return how many words a page's text has."""
    return words_in(cells_of(page, "markdown"))


def words_in(texts: Iterable[str]) -> int:
    """Return how many words some texts have, without code and formulas."""
    return sum(len(WORD.findall(NOT_READ.sub(" ", text))) for text in texts)


def n_exercises(page: str) -> int:
    """Return how many exercises of a page check themselves."""
    return len({name for code in cells_of(page, "code") for name in EXERCISE.findall(code)})


def number_of(page: str) -> str:
    """Return the number in a page's title."""
    found = _TITLE_NUMBER.match(cells_of(page, "markdown")[0])
    return found[1] if found else page


def all_pages() -> list[str]:
    """Return every notebook of the book, in order."""
    return sorted(path.stem for path in BOOK.glob("[0-9]*.ipynb"))


def read_sessions(path: Path = PATHS) -> list[tuple[str, list[str]]]:
    """Return title and pages of the course's sessions, in order."""
    sessions = yaml.safe_load(path.read_text(encoding="utf-8"))[COURSE]
    return [(session["title"], list(session["pages"])) for session in sessions]


def read_paths(path: Path = PATHS) -> dict[str, list[str]]:
    """Return the pages of each way.

    Raises:
        ValueError: A way names a page that there is not, or one twice.
    """
    paths = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    paths[COURSE] = [page for _, pages in read_sessions(path) for page in pages]
    for name, pages in paths.items():
        if strange := sorted(set(pages) - set(all_pages())):
            raise ValueError(f"{path.name}: {name} names {strange}, and there are no such pages.")
        if len(set(pages)) < len(pages):
            raise ValueError(f"{path.name}: {name} names a page twice.")
    return paths


def minutes(pages: Iterable[str]) -> float:
    """Return the measured minutes that pages compute."""
    budgets = read_budgets()
    return sum(budgets[page]["offline"]["seconds"] for page in pages if page in budgets) / 60


def cost(pages: list[str]) -> str:
    """Return the sum over pages, in words."""
    words = round(sum(map(n_words, pages)), -3)
    hours = max(1, round(words / WORDS_A_MINUTE / 60))
    return (
        f"{len(pages)} pages, {words:,} words: {hours} h at {WORDS_A_MINUTE} words a minute, "
        f"and {max(1, round(minutes(pages)))} min of computing"
    )


def plan() -> str:
    """Return the course as a table of Markdown."""
    rows = ["| | Session | Pages | Reading | Computing | Exercises |", "|--:|:--|:--|--:|--:|--:|"]
    for number, (title, pages) in enumerate(read_sessions(), start=1):
        links = ", ".join(f"{{doc}}`{number_of(page)} <{page}>`" for page in pages)
        reading = 5 * max(1, round(sum(map(n_words, pages)) / WORDS_A_MINUTE / 5))
        rows.append(
            f"| {number} | {title} | {links} | {reading} min | "
            f"{max(1, round(minutes(pages)))} min | {sum(map(n_exercises, pages))} |"
        )
    return "\n".join(rows)


def note_files(env: BuildEnvironment, pages: Iterable[str]) -> None:
    """Have a page read again when one of these pages, a budget or a way changes."""
    for path in (PATHS, BUDGETS, *(BOOK / f"{page}.ipynb" for page in pages)):
        env.note_dependency(str(path))


class PathCost(SphinxRole):
    """The sum over the pages of a way."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the sum as text; a way that is not there is an error of the build."""
        pages = read_paths()[self.text]
        note_files(self.env, pages)
        return [nodes.inline("", cost(pages), classes=["path-cost"])], []


class PathPages(SphinxRole):
    """The pages of a way, each as its number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the links, with commas between them and "and" before the last."""
        pages = read_paths()[self.text]
        note_files(self.env, pages)
        shown: list[nodes.Node] = []
        for i, page in enumerate(pages):
            if i:
                shown.append(nodes.Text(" and " if i == len(pages) - 1 else ", "))
            place = posixpath.join(posixpath.dirname(self.env.docname), page)
            options = {"refdomain": "std", "reftype": "doc", "refexplicit": True, "refwarn": True}
            shown.append(
                addnodes.pending_xref(
                    "",
                    nodes.inline("", number_of(page), classes=["doc"]),
                    reftarget=f"/{place}",
                    refdoc=self.env.docname,
                    **options,
                )
            )
        return shown, []


class CoursePlan(SphinxDirective):
    """A table of the course's sessions."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        note_files(self.env, read_paths()[COURSE])
        part = nodes.container()
        nested_parse_with_titles(self.state, StringList(plan().splitlines(), PATHS.name), part)
        return list(part.children)


def setup(app: Sphinx) -> None:
    """Register the roles and the directive."""
    app.add_role("path-cost", PathCost())
    app.add_role("path-pages", PathPages())
    app.add_directive("course-plan", CoursePlan)
