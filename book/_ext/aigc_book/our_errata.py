"""The ``our-errata`` directive: what this book itself got wrong, with the day it was mended.

``book/our_errata.yml`` holds the entries, the newest first. An entry stays: who read the page
before can see what changed.
"""

import datetime
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from .repository import BOOK

OUR_ERRATA = BOOK / "our_errata.yml"
KEYS = {"date", "page", "said", "right", "commit"}


def read_our_errata(path: Path = OUR_ERRATA) -> list[dict[str, Any]]:
    """Return the entries; ``date`` is a ``datetime.date``, the rest text, said and right Markdown.

    Raises:
        ValueError: An entry lacks a key or has one too many, names no page, or stands above a
            newer one.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    before = datetime.date.max
    for number, entry in enumerate(entries, start=1):
        where = f"{path.name}, entry {number}"
        if set(entry) != KEYS:
            raise ValueError(
                f"{where} has the keys {sorted(map(str, entry))}, expected {sorted(KEYS)}."
            )
        if not isinstance(entry["date"], datetime.date):
            raise ValueError(f"{where}: {entry['date']!r} is no date such as 2026-11-30.")
        if entry["date"] > before:
            raise ValueError(f"{where} is newer than the one above it; the newest stands first.")
        if not (BOOK / f"{entry['page']}.ipynb").is_file():
            raise ValueError(f"{where}: there is no page {entry['page']}.")
        before = entry["date"]
    return list(entries)


class OurErrataDirective(SphinxDirective):
    """A box for each entry: page and day, what stood there, what is right."""

    def run(self) -> list[nodes.Node]:
        """Return the boxes."""
        self.env.note_dependency(str(OUR_ERRATA))
        return [self.box(entry) for entry in read_our_errata()]

    def box(self, entry: dict[str, Any]) -> nodes.container:
        """Return one entry's box."""
        box = nodes.container(classes=["our-erratum"])
        for name, text in (
            ("title", f"{entry['date'].day} {entry['date']:%B %Y} · {{doc}}`{entry['page']}`"),
            ("says", f"**The page said.** {entry['said'].strip()}"),
            ("right", f"**What is right.** {entry['right'].strip()}"),
            ("commit", f"Mended by the commit “{entry['commit'].strip()}”."),
        ):
            part = nodes.container(classes=[f"erratum-{name}"])
            lines = StringList(text.splitlines(), OUR_ERRATA.name)
            nested_parse_with_titles(self.state, lines, part)
            box += part
        return box


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("our-errata", OurErrataDirective)
