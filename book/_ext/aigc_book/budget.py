"""The ``budget`` directive: what a page costs to run, as measured.

The figures come from ``book/budgets.json``, which ``make budgets`` writes by running each page.
"""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .repository import BOOK

BUDGETS = BOOK / "budgets.json"
LOGGER = logging.getLogger(__name__)


def read_budgets(path: Path = BUDGETS) -> dict[str, dict[str, Any]]:
    """Return what was measured, by page."""
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
            ("Time", duration(entry["seconds"])),
            ("Memory", f"{entry['peak_memory_mib']:.0f} MiB"),
            ("Download", download_text(entry["download_mib"])),
        ]
        day = date.fromisoformat(entry["date"])
        note = f"Measured on {day.day} {day:%B %Y}: {entry['machine']}."
        return [box(rows, note)]


def box(rows: list[tuple[str, str]], note: str) -> nodes.container:
    """Return the box's node: each row a name and a value, under them the note."""
    container = nodes.container(classes=["budget"])
    for name, value in rows:
        paragraph = nodes.paragraph("", "", classes=["budget-item"])
        paragraph += [nodes.strong("", name), nodes.Text(" "), nodes.inline("", value)]
        container += paragraph
    if note:
        container += nodes.paragraph("", note, classes=["budget-note"])
    return container


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("budget", BudgetDirective)
