"""The ``budget`` directive: what a page costs to run, as measured.

The figures come from ``book/budgets.json``, which ``make budgets`` writes by running each page:
``offline``, on the data that come with the packages, and, if it loads others, ``full``, on those.
"""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from .repository import BOOK

BUDGETS = BOOK / "budgets.json"
CONDITIONS = {"offline": "without a network", "full": "with the real data"}
LOGGER = logging.getLogger(__name__)


def read_budgets(path: Path = BUDGETS) -> dict[str, dict[str, Any]]:
    """Return what was measured, by page: ``download_mib``, and an entry for each condition."""
    if not path.is_file():
        return {}
    budgets: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return budgets


def duration(seconds: float) -> str:
    """Return a duration as a reader says it: seconds up to 90, then minutes."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min"


def download_text(mebibytes: float) -> str:
    """Return what a page fetches, in words."""
    return "nothing" if mebibytes == 0 else f"{mebibytes:.1f} MiB, once"


def in_both(entry: dict[str, Any], say: Callable[[dict[str, Any]], str]) -> str:
    """Return what was measured, once if both conditions read the same, else with the second."""
    texts = {name: say(entry[name]) for name in CONDITIONS if name in entry}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return f"{texts['offline']} ({texts['full']} {CONDITIONS['full']})"


def measured(entry: dict[str, Any]) -> str:
    """Return when and where a page was measured, and on which data if that makes a difference."""
    if "full" not in entry:
        return f"Measured on {_day_and_machine(entry['offline'])}."
    places = {name: _day_and_machine(entry[name]) for name in CONDITIONS}
    if len(set(places.values())) == 1:
        return f"Measured {' and '.join(CONDITIONS.values())} on {places['full']}."
    return " ".join(f"Measured {CONDITIONS[name]} on {places[name]}." for name in CONDITIONS)


def _day_and_machine(entry: dict[str, Any]) -> str:
    day = date.fromisoformat(entry["date"])
    return f"{day.day} {day:%B %Y}: {entry['machine']}"


class BudgetDirective(SphinxDirective):
    """A box with a page's time, memory and download."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the box; a page that was not measured is a warning, except in a draft."""
        self.env.note_dependency(str(BUDGETS))
        page = Path(self.env.docname).name
        entry = read_budgets().get(page)
        if entry is None:
            tell = LOGGER.info if os.environ.get("AIGC_TUTORIAL_DRAFT") == "1" else LOGGER.warning
            tell("%s has no entry in %s: run `make budgets`", page, BUDGETS.name)
            return [box([("Budget", "not measured yet")], "")]
        rows = [
            ("Time", in_both(entry, lambda run: duration(run["seconds"]))),
            ("Memory", in_both(entry, lambda run: f"{run['peak_memory_mib']:.0f} MiB")),
            ("Download", download_text(entry["download_mib"])),
        ]
        return [box(rows, measured(entry))]


class Budget(nodes.Admonition, nodes.container):
    """A page's budget. As an admonition it stands beside the text: a description leaves it out."""


def box(rows: list[tuple[str, str]], note: str) -> Budget:
    """Return the box's node: each row a name and a value, under them the note."""
    container = Budget(classes=["budget"])
    for name, value in rows:
        paragraph = nodes.paragraph("", "", classes=["budget-item"])
        paragraph += [nodes.strong("", name), nodes.Text(" "), nodes.inline("", value)]
        container += paragraph
    if note:
        container += nodes.paragraph("", note, classes=["budget-note"])
    return container


def visit_html(self: HTML5Translator, node: Budget) -> None:
    """Open the box."""
    self.visit_container(node)


def depart_html(self: HTML5Translator, node: Budget) -> None:
    """Close the box."""
    self.depart_container(node)


def setup(app: Sphinx) -> None:
    """Register the node and the directive."""
    app.add_node(Budget, html=(visit_html, depart_html))
    app.add_directive("budget", BudgetDirective)
