"""Directives for the errata: what the source document says at some point, and what is right.

``book/errata.yml`` holds the entries. ``{errata} E41 E42`` shows two of them as boxes on the page
that teaches them, each with the anchor ``erratum-E41``, to which any page may link:
``{ref}`erratum-e41```. ``{errata-run} E41 E42`` shows them on the page of the errata, above the
code that reproduces them, with the anchor ``run-E41``; the two boxes of an entry link to each
other. ``{errata-table}`` lists all of them by the sections of the source document.
"""

import re
from pathlib import Path
from typing import ClassVar

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from .repository import BOOK

ERRATA = BOOK / "errata.yml"
KEYS = {"id", "section", "lines", "page", "says", "right"}
RUN_PAGE = "10_errata"


def read_errata(path: Path = ERRATA) -> dict[str, dict[str, str]]:
    """Return the entries by number.

    Raises:
        ValueError: An entry lacks a key, has one too many, or a number occurs twice.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else []
    by_number: dict[str, dict[str, str]] = {}
    for entry in entries or []:
        if set(entry) != KEYS:
            raise ValueError(
                f"{path.name}: an entry has the keys {sorted(map(str, entry))}, "
                f"expected {sorted(KEYS)}"
            )
        if entry["id"] in by_number:
            raise ValueError(f"{path.name}: {entry['id']} occurs twice")
        by_number[entry["id"]] = entry
    return by_number


def place(entry: dict[str, str]) -> str:
    """Return where in the source document an entry's point stands, in words."""
    sections = "" if len(sections_of(entry)) == 1 else "s"
    lines = "" if entry["lines"].isdecimal() else "s"
    where = f"section{sections} {entry['section']}, line{lines} {entry['lines']}"
    return f"source document, {where}"


def page_number(page: str) -> str:
    """Return the number of a page, from its name: 5.2 for ``05_2_implementation``."""
    return ".".join(part.lstrip("0") for part in re.findall(r"\d+", page))


def sections_of(entry: dict[str, str]) -> list[str]:
    """Return the source document's sections that an entry concerns."""
    return entry["section"].split(", ")


def by_section(errata: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Return the numbers of the entries that concern each section, in the document's order."""
    sections = {section for entry in errata.values() for section in sections_of(entry)}
    in_order = sorted(sections, key=lambda section: [int(part) for part in section.split(".")])
    return {
        section: [number for number, entry in errata.items() if section in sections_of(entry)]
        for section in in_order
    }


def taught_at(entry: dict[str, str]) -> str:
    """Return the anchor of the box on an entry's page, which may be the one where all are run."""
    return f"{'run' if entry['page'] == RUN_PAGE else 'erratum'}-{entry['id']}"


class ErrataDirective(SphinxDirective):
    """Boxes for the entries whose numbers are given, in the order given."""

    required_arguments = 1
    final_argument_whitespace = True
    anchor: ClassVar[str] = "erratum"

    def run(self) -> list[nodes.Node]:
        """Return one box for each number."""
        self.env.note_dependency(str(ERRATA))
        errata = read_errata()
        boxes: list[nodes.Node] = []
        for number in self.arguments[0].split():
            if number not in errata:
                raise self.error(f"{number} is not in {ERRATA.name}")
            boxes.append(self.box(errata[number]))
        return boxes

    def box(self, entry: dict[str, str]) -> nodes.container:
        """Return one entry's box and make it a target for references."""
        number = entry["id"]
        anchor = f"{self.anchor}-{number}"
        container = nodes.container(classes=["erratum"], ids=[anchor])
        title = nodes.paragraph("", "", classes=["erratum-title"])
        title += [nodes.strong("", number), nodes.Text(f" · {place(entry)} · "), self.other(entry)]
        container += title
        for key, heading in (("says", "The document"), ("right", "What is right")):
            part = nodes.container(classes=[f"erratum-{key}"])
            text = StringList(f"**{heading}.** {entry[key].strip()}".splitlines(), ERRATA.name)
            nested_parse_with_titles(self.state, text, part)
            container += part
        standard = self.env.get_domain("std")
        assert isinstance(standard, StandardDomain)
        standard.note_hyperlink_target(anchor.lower(), self.env.docname, anchor, number)
        return container

    def other(self, entry: dict[str, str]) -> nodes.Node:
        """Return the link to the entry's other box."""
        return self.link(f"run-{entry['id']}", f"run in {page_number(RUN_PAGE)}")

    def link(self, anchor: str, text: str) -> addnodes.pending_xref:
        """Return a link to an anchor of some page."""
        return addnodes.pending_xref(
            "",
            nodes.inline("", text),
            refdomain="std",
            reftype="ref",
            reftarget=anchor.lower(),
            refexplicit=True,
            refdoc=self.env.docname,
            refwarn=True,
        )


class ErrataRunDirective(ErrataDirective):
    """The same boxes above the code that reproduces them."""

    anchor = "run"

    def other(self, entry: dict[str, str]) -> nodes.Node:
        """Return the link to the box on the page that teaches the point."""
        return self.link(taught_at(entry), f"taught in {page_number(entry['page'])}")


class ErrataTableDirective(ErrataDirective):
    """All entries by the sections of the source document, each with its pages."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        self.env.note_dependency(str(ERRATA))
        errata = read_errata()
        rows: list[list[list[nodes.Node]]] = [
            [
                [nodes.Text(section)],
                separated([self.link(f"run-{number}", number) for number in numbers]),
                separated(self.pages([errata[number] for number in numbers])),
            ]
            for section, numbers in by_section(errata).items()
        ]
        return [table(["Section of the document", "Errata, run below", "Taught in"], rows)]

    def pages(self, entries: list[dict[str, str]]) -> list[nodes.Node]:
        """Return a link to each page that teaches some of the entries, to the first of them."""
        first = {entry["page"]: entry for entry in reversed(entries)}
        return [self.link(taught_at(first[page]), page_number(page)) for page in sorted(first)]


def separated(links: list[nodes.Node]) -> list[nodes.Node]:
    """Return links with commas between them."""
    return [node for link in links for node in (nodes.Text(", "), link)][1:]


def table(columns: list[str], rows: list[list[list[nodes.Node]]]) -> nodes.table:
    """Return a table with a head."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in columns), cols=len(columns))
    head: list[list[nodes.Node]] = [[nodes.Text(column)] for column in columns]
    parts: list[tuple[nodes.Element, list[list[list[nodes.Node]]]]]
    parts = [(nodes.thead(), [head]), (nodes.tbody(), rows)]
    for part, lines in parts:
        for line in lines:
            cells = [nodes.entry("", nodes.paragraph("", "", *cell)) for cell in line]
            part += nodes.row("", *cells)
        group += part
    return nodes.table("", group, classes=["errata-table"])


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("errata", ErrataDirective)
    app.add_directive("errata-run", ErrataRunDirective)
    app.add_directive("errata-table", ErrataTableDirective)
