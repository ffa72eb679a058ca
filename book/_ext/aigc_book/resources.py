"""The ``resources`` directive: what the source document recommends, with our verdict on each.

``book/resources.yml`` holds the entries. ``{resources} paper`` shows those of one kind as a table,
each a target for references: ``{ref}`the survey <resource-survey-of-gans>```. Name and correction
stand under their language, so that an edition in another language shows its own.
"""

from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective

from .places import find_place
from .repository import BOOK

RESOURCES = BOOK / "resources.yml"
KEYS = {"id", "kind", "lines", "verdict", "used"}
TEXTS = {"named", "right"}
KINDS = ("book", "tool", "paper")
# How a verdict is said, by language.
VERDICTS = {
    "en": {
        "real": "real",
        "corrected": "real, with a correction",
        "misnamed": "misnamed",
        "unclear": "several could be meant",
        "not found": "not found",
    },
}
COLUMNS = {"en": ("The document names", "What there is", "At work in")}


def read_resources(path: Path = RESOURCES) -> dict[str, dict[str, Any]]:
    """Return the entries by identifier, in their order.

    Raises:
        ValueError: An entry lacks a key, has one too many, an unknown kind or verdict, no text in
            English, or an identifier occurs twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        languages = set(entry) - KEYS
        if not set(entry) >= KEYS or "en" not in languages:
            raise ValueError(
                f"{path.name}: an entry has the keys {sorted(map(str, entry))}, expected "
                f"{sorted(KEYS)} and at least one language, `en`"
            )
        name = entry["id"]
        for language in languages:
            if set(entry[language]) != TEXTS:
                raise ValueError(
                    f"{path.name}: {name} has {sorted(entry[language])} under {language}, expected "
                    f"{sorted(TEXTS)}"
                )
        if entry["kind"] not in KINDS or entry["verdict"] not in VERDICTS["en"]:
            raise ValueError(
                f"{path.name}: {name} is a {entry['kind']!r} with the verdict "
                f"{entry['verdict']!r}, expected one of {', '.join(KINDS)} and one of "
                f"{', '.join(VERDICTS['en'])}"
            )
        if name in found:
            raise ValueError(f"{path.name}: {name} occurs twice")
        found[name] = entry
    return found


class ResourcesDirective(SphinxDirective):
    """The entries of one kind, a row each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        self.env.note_dependency(str(RESOURCES))
        try:
            kind = self.arguments[0]
            chosen = [
                entry for entry in read_resources(RESOURCES).values() if entry["kind"] == kind
            ]
            if not chosen:
                raise ValueError(f"no entry of {RESOURCES.name} is a {kind!r}; kinds are {KINDS}")
            return [self.table(chosen)]
        except ValueError as error:
            raise self.error(str(error)) from error

    @property
    def language(self) -> str:
        """The language of this edition."""
        return str(self.env.config.language)

    def table(self, entries: list[dict[str, Any]]) -> nodes.table:
        """Return a table with a head and a row for each entry."""
        columns = COLUMNS.get(self.language, COLUMNS["en"])
        group = nodes.tgroup("", cols=len(columns))
        group += [nodes.colspec(colwidth=width) for width in (3, 5, 3)]
        head = [nodes.entry("", nodes.paragraph("", column)) for column in columns]
        rows = [nodes.row("", *map(self.cell, self.texts(entry))) for entry in entries]
        for row, entry in zip(rows, entries, strict=True):
            self.make_target(row, entry)
        group += [nodes.thead("", nodes.row("", *head)), nodes.tbody("", *rows)]
        return nodes.table("", group, classes=["resources-table"])

    def texts(self, entry: dict[str, Any]) -> tuple[str, str, str]:
        """Return the three cells of an entry as Markdown."""
        if self.language not in entry:
            raise ValueError(f"{entry['id']} has no text in the language {self.language!r}")
        texts = entry[self.language]
        verdicts = VERDICTS.get(self.language, VERDICTS["en"])
        page = self.env.docname.rpartition("/")[2]
        places = [find_place(name) for name in entry["used"]]
        for place in places:
            self.env.note_dependency(str(BOOK / f"{place.page}.ipynb"))
        return (
            f"{texts['named'].strip()}: **{verdicts[entry['verdict']]}**",
            texts["right"].strip(),
            ", ".join(place.link(page, self.language) for place in places),
        )

    def cell(self, text: str) -> nodes.entry:
        """Return a cell that holds Markdown."""
        cell = nodes.entry()
        self.state.nested_parse(StringList(text.splitlines(), RESOURCES.name), 0, cell)
        return cell

    def make_target(self, row: nodes.row, entry: dict[str, Any]) -> None:
        """Make the first cell of a row a target for references."""
        anchor = f"resource-{entry['id']}"
        first = row.children[0]
        assert isinstance(first, nodes.entry)
        first["ids"].append(anchor)
        standard = self.env.get_domain("std")
        assert isinstance(standard, StandardDomain)
        name = entry[self.language]["named"].strip()
        standard.note_hyperlink_target(anchor, self.env.docname, anchor, name)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("resources", ResourcesDirective)
