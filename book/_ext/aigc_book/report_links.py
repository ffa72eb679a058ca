"""A quiet link beside every equation, figure and cell that opens an issue with its name filled in.

It is seen when the mouse or the focus is on what it reports, and always where nothing can hover. A
keyboard does not stop at each of them: at a page's end one closed fold holds a form with the same
list. Both fill in ``.github/ISSUE_TEMPLATE/error.yml``, by the names of its fields, without a
script.
"""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from .page_order import is_cell
from .repository import repository_url, version

TEMPLATE = "error.yml"
WHOLE_PAGE = "the page"


def fields(page: str, label: str) -> dict[str, str]:
    """Return what an issue is filled in with, by the names of the form's fields."""
    return {"template": TEMPLATE, "page": page, "version": version(), "label": label}


def new_issue() -> str:
    """Return the address at which the repository takes a new issue."""
    return f"{repository_url()}/issues/new"


def link(page: str, label: str) -> nodes.raw:
    """Return the link for one thing of a page."""
    address = escape(f"{new_issue()}?{urlencode(fields(page, label))}")
    name = escape(f"Report an error in {label}")
    html = (
        f'<a class="report" tabindex="-1" href="{address}" aria-label="{name}" title="{name}"></a>'
    )
    return nodes.raw("", html, format="html")


def form(page: str, labels: list[str]) -> nodes.raw:
    """Return the fold at a page's end, with the same things in a list."""
    given = fields(page, WHOLE_PAGE)
    del given["label"]
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in given.items()
    )
    options = "".join(f"<option>{escape(label)}</option>" for label in [WHOLE_PAGE, *labels])
    html = (
        '<details class="fold report-page">\n<summary>Report an error on this page</summary>\n'
        f'<form action="{escape(new_issue())}">{hidden}'
        f'<label>It is in <select name="label" autocomplete="off">{options}</select></label> '
        '<button type="submit">Open an issue</button></form>\n</details>\n'
    )
    return nodes.raw("", html, format="html")


def number_of(equation: nodes.math_block, env: BuildEnvironment, docname: str) -> str:
    """Return an equation's number as the page shows it: all pages may be counted through."""
    if env.config.numfig and env.config.math_numfig:
        numbers = env.toc_fignumbers.get(docname, {}).get("displaymath", {})
        return ".".join(map(str, numbers.get(equation["ids"][0], ())))
    return str(equation["number"])


def things(
    doctree: nodes.document, env: BuildEnvironment, docname: str
) -> Iterator[tuple[nodes.Element, str]]:
    """Yield each thing that has a name: it, and its label.

    Equations come as the paragraph that holds the link to their test.

    Args:
        doctree: The page.
        env: What knows the numbers of its equations, and its file: a notebook names its cells.
        docname: Its name.
    """
    ids = cell_ids(Path(env.doc2path(docname)))
    for node in doctree.findall():
        if isinstance(node, nodes.math_block) and node.get("label"):
            label = node["label"]
            number = number_of(node, env, docname)
            note = node.next_node(descend=False, siblings=True)
            if isinstance(note, nodes.paragraph) and "equation-test" in note["classes"]:
                yield note, f"equation ({number}) {label}"
        elif isinstance(node, nodes.caption) and node.children:
            figure = node.children[0]
            if isinstance(figure, nodes.inline) and "figure-number" in figure["classes"]:
                yield node, figure.astext().replace("Figure", "figure", 1)
        elif is_cell(node):
            yield node, f"cell {ids[node['cell_index']]}"


def cell_ids(source: Path) -> list[str]:
    """Return the identifiers of a notebook's cells, in order; none for a page of Markdown."""
    if source.suffix != ".ipynb":
        return []
    return [cell["id"] for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]]


def add_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the links where they belong, and the form at the page's end."""
    if app.builder.format != "html":
        return
    found = list(things(doctree, app.env, docname))
    for node, label in found:
        node += link(docname, label)
    if found:
        next(doctree.findall(nodes.section), doctree).append(
            form(docname, [label for _, label in found])
        )


def setup(app: Sphinx) -> None:
    """Connect when MyST-NB has folded its cells, which counts their parts."""
    app.connect("doctree-resolved", add_links)
