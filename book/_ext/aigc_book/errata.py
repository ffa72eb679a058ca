"""The ``errata`` directive: what the source document says at this point, and what is right.

``book/errata.yml`` holds the entries. ``{errata} E41 E42`` shows two of them as boxes, each with
the anchor ``erratum-E41``, to which any page may link: ``{ref}`erratum-e41```.
"""

from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from .repository import BOOK

ERRATA = BOOK / "errata.yml"
KEYS = {"id", "section", "lines", "page", "says", "right"}


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
    plural = "" if entry["lines"].isdecimal() else "s"
    return f"source document, section {entry['section']}, line{plural} {entry['lines']}"


class ErrataDirective(SphinxDirective):
    """Boxes for the entries whose numbers are given, in the order given."""

    required_arguments = 1
    final_argument_whitespace = True

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
        anchor = f"erratum-{number}"
        container = nodes.container(classes=["erratum"], ids=[anchor])
        title = nodes.paragraph("", "", classes=["erratum-title"])
        title += [nodes.strong("", number), nodes.Text(f" · {place(entry)}")]
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


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("errata", ErrataDirective)
