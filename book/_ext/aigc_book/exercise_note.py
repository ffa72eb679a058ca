"""Where a page says "run the cell", a sentence says where cells can be run: not on the page.

In JupyterLab and on Colab the words are all that a reader needs, so the sentence is the build's.
And what each exercise says there before it is begun, "not solved yet", is no news on the page.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from .page_order import forms_of, is_cell, part
from .repository import BRANCH, repository_url

LOGGER = logging.getLogger(__name__)
TASK = "Replace the three dots and run the cell."
UNSOLVED = re.compile(r"○ \S+: not solved yet")
INSTALLATION = "book/05_1_environment"
ANCHOR = "#five-ways-to-install"


def colab_address(page: str) -> str:
    """Return the address at which Colab opens a page's notebook, as the theme's button has it.

    >>> colab_address("book/05_4_results").partition("/blob/")[2]
    'main/book/05_4_results.ipynb'
    """
    path = repository_url().removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{path}/blob/{BRANCH}/{page}.ipynb"


def add_note(app: Sphinx, doctree: nodes.document) -> None:
    """Say where the exercises of a page can be run, once, where it says that they can be."""
    tasks = [p for p in doctree.findall(nodes.paragraph) if p.astext().startswith(TASK)]
    cells = [node for node in doctree.findall(nodes.container) if is_cell(node)]
    checked = [cell for cell in cells if "exercises.check(" in cell.astext()]
    if not checked:
        return
    for cell in checked:
        leave_out_unsolved(cell)
    if len(tasks) != 1:
        LOGGER.warning(
            "a page with exercises says once %r, and this one says it %d times",
            TASK,
            len(tasks),
            location=doctree,
        )
        return
    page = app.env.docname
    way = f"{app.builder.get_relative_uri(page, INSTALLATION)}{ANCHOR}"
    tasks[0] += [
        nodes.Text(" On this page nothing runs: "),
        nodes.reference("", "open it in Colab", refuri=colab_address(page)),
        nodes.Text(", or "),
        nodes.reference("", "on your own machine", refuri=way, internal=True),
        nodes.Text("."),
    ]


def leave_out_unsolved(cell: nodes.container) -> None:
    """Take away that an exercise is not solved, and the output with it if it holds nothing else."""
    output = part(cell, "cell_code_output")
    for shown in list(output.children) if output is not None else []:
        texts = [form.astext() for form in forms_of(shown)] or [shown.astext()]
        if any(UNSOLVED.fullmatch(text.strip()) for text in texts):
            shown.parent.remove(shown)
    if output is not None and not output.children:
        cell.remove(output)


def setup(app: Sphinx) -> None:
    """Connect when the cells are in their order."""
    app.connect("doctree-read", add_note, priority=460)
