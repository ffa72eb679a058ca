"""What a reader came for comes first: results before their code, runs of checks in one line.

The tree of a page is put in its order after the notebook was executed and read; the notebook
itself, which runs from top to bottom in JupyterLab, stays as it is. ``cell_code`` says where a
cell's code belongs.
"""

import re
from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import Any, TypeGuard

from docutils import nodes
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE
from sphinx.application import Sphinx
from sphinx.util import logging

from .cell_code import Output, place
from .folds import Fold

LOGGER = logging.getLogger(__name__)
PROMISE = re.compile(r"\b(?:press play|move the slider)\b", re.IGNORECASE)
CHECK = re.compile(r"✓ .+, expected .+", re.DOTALL)


def in_reading_order(app: Sphinx, doctree: nodes.document) -> None:
    """Put every cell of a page in the order in which it is read."""
    helpers = [
        helper
        for paragraph in list(doctree.findall(nodes.paragraph))
        if PROMISE.search(paragraph.astext())
        for helper in keep_promise(paragraph)
    ]
    for cell in [node for node in doctree.findall(nodes.container) if is_cell(node)]:
        put_in_order(cell, helps=cell in helpers)


def keep_promise(paragraph: nodes.paragraph) -> list[nodes.container]:
    """Put what moves right under the paragraph that says "Press play"; return what it needs.

    A page's first film is preceded by imports and helpers, without a word between them.
    """
    siblings = paragraph.parent.children
    start = siblings.index(paragraph) + 1
    cells = list(takewhile(is_cell, siblings[start:]))
    films = (c for c in cells if Output.EXPLORER in kinds_of(part(c, "cell_code_output")))
    film = next(films, None)
    if film is None:
        return []
    paragraph.parent.remove(film)
    paragraph.parent.insert(start, film)
    return cells[: cells.index(film)]


def is_cell(node: nodes.Node) -> TypeGuard[nodes.container]:
    """Return whether a node is a notebook's code cell."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def put_in_order(cell: nodes.container, *, helps: bool = False) -> None:
    """Fold a cell's checks, and its code where something is shown, and put what is shown first.

    Args:
        cell: The cell.
        helps: Whether it makes what a film above it needs; then its code is folded.
    """
    code, output = part(cell, "cell_code_source"), part(cell, "cell_code_output")
    kinds = set(kinds_of(output))
    if output is not None:
        fold_checks(output)
    if code is None or cell.get("hide_mode") == "all":
        return
    source = code.astext()
    try:
        where = place(
            source,
            kinds,
            tags_of(cell),
            cell.get("cell_metadata"),
            text_before=text_before(cell),
            helps=helps,
        )
    except ValueError as error:
        LOGGER.warning("cell %s: %s", cell.get("cell_index"), error, location=cell)
        return
    if where.title is None and where.shown:
        return
    if cell.attributes.pop("hide_mode", None) == "input+output":
        cell["hide_mode"] = "output"
    cell.remove(code)
    if where.shown:
        n_lines = len(source.strip().splitlines())
        size = f"{n_lines} lines" if n_lines > 1 else ""
        fold = Fold("", code, title=where.title, size=size, classes=["fold-code"])
        cell.insert(0 if where.first else len(cell), fold)


def part(cell: nodes.container, name: str) -> nodes.container | None:
    """Return a cell's code or output, by MyST-NB's name for it."""
    parts = (child for child in cell.children if isinstance(child, nodes.container))
    return next((child for child in parts if child.get("nb_element") == name), None)


def tags_of(cell: nodes.container) -> list[str]:
    """Return a cell's tags."""
    metadata: dict[str, Any] = cell.get("cell_metadata") or {}
    return list(metadata.get("tags", []))


def text_before(cell: nodes.container) -> str:
    """Return the paragraph right above a cell, or nothing."""
    index = cell.parent.index(cell) if cell.parent is not None else 0
    above = cell.parent[index - 1] if index else None
    return above.astext() if isinstance(above, nodes.paragraph) else ""


def kinds_of(output: nodes.container | None) -> Iterator[Output]:
    """Yield what an output holds, in its order."""
    for child in output.children if output is not None else ():
        yield kind_of(child)


def kind_of(shown: nodes.Node) -> Output:
    """Return what one part of an output is."""
    if is_check(shown):
        return Output.CHECKS
    forms = {form["mime_type"]: form for form in forms_of(shown)}
    if WIDGET_VIEW_MIMETYPE in forms:
        return Output.EXPLORER
    if any(name.startswith("image/") for name in forms):
        return Output.PICTURE
    if "text/html" in forms and "<table" in forms["text/html"].astext():
        return Output.TABLE
    return Output.TEXT


def forms_of(shown: nodes.Node) -> list[nodes.container]:
    """Return the forms among which a builder chooses, HTML or text, each with its ``mime_type``."""
    if not isinstance(shown, nodes.container):
        return []
    return [f for f in shown.children if isinstance(f, nodes.container) and "mime_type" in f]


def is_check(shown: nodes.Node) -> bool:
    """Return whether a part of an output is a line of ``pages.expect``, or printed ones alone."""
    texts = [form.astext() for form in forms_of(shown) if form["mime_type"] == "text/markdown"]
    if isinstance(shown, nodes.literal_block) and "stream" in shown["classes"]:
        texts = shown.astext().strip().splitlines()
    return bool(texts) and all(CHECK.fullmatch(text.strip()) for text in texts)


def fold_checks(output: nodes.container) -> None:
    """Put each run of two checks or more under one line that counts them."""
    parts = list(output.children)
    output.clear()
    for checks, group in groupby(parts, is_check):
        run = list(group)
        count = sum(map(n_checks, run)) if checks else 0
        if count < 2:
            output.extend(run)
        else:
            output.append(Fold("", *run, title=f"✓ {count} checks passed", classes=["fold-checks"]))


def n_checks(shown: nodes.Node) -> int:
    """Return the number of checks in one part of an output."""
    return len(shown.astext().strip().splitlines()) if isinstance(shown, nodes.literal_block) else 1


def setup(app: Sphinx) -> None:
    """Connect before what looks at a page's parts in their order, and after what names them."""
    app.connect("doctree-read", in_reading_order, priority=400)
