"""The ``words`` directive: the book's terms, in English and in Chinese, each with its meaning.

``book/glossary.yml`` holds them. They become Sphinx's own glossary, so that any page may write
``{term}`mode collapse``` or ``{term}`模式坍塌```. Behind each meaning stands a link to the place
that introduces the term. Meanings stand under their language, so that a translation stands beside
them.
"""

from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .places import find_place
from .repository import BOOK

GLOSSARY = BOOK / "glossary.yml"
KEYS = {"term", "zh", "means", "introduced"}
OPTIONAL = {"forms"}


def read_glossary(path: Path = GLOSSARY) -> dict[str, dict[str, Any]]:
    """Return the entries by their English term, in alphabetical order.

    Raises:
        ValueError: An entry lacks a key, has one too many, or a term occurs twice.
    """
    entries: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if set(entry) - OPTIONAL != KEYS:
            raise ValueError(
                f"{path.name}: an entry has the keys {sorted(map(str, entry))}, expected "
                f"{sorted(KEYS)}, and possibly {sorted(OPTIONAL)}"
            )
        for term in {entry["term"], entry["zh"]}:
            if term.casefold() in taken:
                raise ValueError(f"{path.name}: {term} occurs twice")
            taken.add(term.casefold())
        entries[entry["term"]] = entry
    return dict(sorted(entries.items(), key=lambda item: item[0].casefold()))


def markup(entries: dict[str, dict[str, Any]], language: str) -> list[str]:
    """Return the lines of Sphinx's glossary directive.

    Raises:
        ValueError: An entry has no meaning in the language, or is introduced at no place.
    """
    lines = ["````{glossary}"]
    for term, entry in entries.items():
        if language not in entry["means"]:
            raise ValueError(f"{GLOSSARY.name}: {term} has no meaning in {language!r}")
        link = find_place(entry["introduced"]).link(language=language)
        lines += [term, entry["zh"], f"  {' '.join(entry['means'][language].split())} {link}", ""]
    return [*lines, "````"]


class WordsDirective(SphinxDirective):
    """All terms, in alphabetical order."""

    def run(self) -> list[nodes.Node]:
        """Return the glossary."""
        self.env.note_dependency(str(GLOSSARY))
        try:
            entries = read_glossary(GLOSSARY)
            lines = markup(entries, self.env.config.language)
        except ValueError as error:
            raise self.error(str(error)) from error
        for page in {entry["introduced"].partition("#")[0] for entry in entries.values()}:
            self.env.note_dependency(str(BOOK / f"{page}.ipynb"))
        parent = nodes.container()
        self.state.nested_parse(StringList(lines, GLOSSARY.name), 0, parent)
        return parent.children


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("words", WordsDirective)
