"""Places that a link may lead to: the headings of the book's notebooks, and their code cells.

A place is written ``05_3_walkthrough#what-belongs-into-a-checkpoint`` for a heading, and
``05_3_walkthrough#cell-011`` for a code cell, whose id the notebook holds. Headings have anchors
from MyST. Cells get theirs here, each a label too: from any page
``{ref}`the run <05_3_walkthrough:cell-011>`` leads to it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import nbformat
from docutils import nodes
from myst_parser.mdit_to_docutils.base import default_slugify
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain

from .page_order import is_cell
from .repository import BOOK

CELL = re.compile(r"cell-\d{3}")
_HEADING = re.compile(r"^#{1,3} +(.+?) *$", re.MULTILINE)  # as myst_heading_anchors in _config.yml
_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d[\d.]*")
# What a link to a code cell is called behind its heading, by language.
RUN = {"en": "the run"}


@dataclass(frozen=True)
class Place:
    """A place of a page.

    Attributes:
        page: name of the notebook, without suffix.
        anchor: of a heading as MyST makes it, or the id of a code cell.
        heading: the heading itself, or the last one above the cell, as Markdown.
        number: of the page, as its title begins; empty if it has none.
    """

    page: str
    anchor: str
    heading: str
    number: str

    @property
    def is_cell(self) -> bool:
        """Whether it is a code cell."""
        return CELL.fullmatch(self.anchor) is not None

    def link(self, here: str = "", language: str = "en") -> str:
        """Return a link to the place in Markdown.

        Args:
            here: name of the page that has the link, in the folder of the notebooks; of a place on
                it the number of the page is left out.
            language: of the page that has the link.
        """
        name = f"{'' if self.page == here else self.number} {self.heading}".strip()
        if self.is_cell:
            plain = re.sub(r"[`*$]", "", name)
            run = RUN.get(language, RUN["en"])
            return f"{{ref}}`{plain} ({run}) <{self.page}:{self.anchor}>`"
        return f"[{name}]({self.page}.ipynb#{self.anchor})"


@cache
def places_of(page: str) -> Mapping[str, Place]:
    """Return the places of a page by anchor, in their order.

    Raises:
        ValueError: if there is no such notebook.
    """
    path = BOOK / f"{page}.ipynb"
    if not path.is_file():
        raise ValueError(f"there is no notebook {path.name} in {BOOK.name}/")
    found: dict[str, Place] = {}
    heading, number = "", ""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and CELL.fullmatch(cell.id):
            found[cell.id] = Place(page, cell.id, heading, number)
        elif cell.cell_type == "markdown":
            for words in _HEADING.findall(_FENCED.sub("", cell.source)):
                anchor, heading = slug(words, found), words
                if not found:  # the title
                    number = "".join(_NUMBER.findall(words)[:1])
                    heading = words.removeprefix(number).strip()
                found[anchor] = Place(page, anchor, heading, number)
    return MappingProxyType(found)


def slug(heading: str, taken: Mapping[str, Place]) -> str:
    """Return the anchor that MyST gives to a heading; one that is taken gets a number."""
    first = default_slugify(re.sub(r"[`*]", "", heading))
    anchor, n = first, 1
    while anchor in taken:
        anchor, n = f"{first}-{n}", n + 1
    return anchor


def find_place(place: str) -> Place:
    """Return what ``page#anchor`` names.

    Raises:
        ValueError: if there is no such page, or no such heading or code cell in it.
    """
    page, _, anchor = place.partition("#")
    places = places_of(page)
    if anchor not in places:
        headings = ", ".join(name for name in places if not CELL.fullmatch(name))
        raise ValueError(
            f"{page} has no code cell and no heading {anchor!r}; its headings are {headings}"
        )
    return places[anchor]


def name_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Give every code cell of a page its id for an anchor, and make it a target for references."""
    standard = app.env.get_domain("std")
    assert isinstance(standard, StandardDomain)
    page = app.env.docname
    for cell in doctree.findall(nodes.container):
        if not is_cell(cell):
            continue
        anchor = f"cell-{cell['cell_index']:03d}"
        cell["ids"].append(anchor)
        label = f"{page.rpartition('/')[2]}:{anchor}"
        standard.note_hyperlink_target(label.lower(), page, anchor, anchor)


def setup(app: Sphinx) -> None:
    """Connect before a page is put in its order."""
    app.connect("doctree-read", name_cells, priority=390)
