"""A part of a page that is closed until its title is pressed: HTML's own ``details``."""

from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


class Fold(nodes.General, nodes.Element):  # type: ignore[misc]
    """What is folded, with its ``title``, a word on its ``size``, and ``classes`` for its look."""


def visit_html(self: HTML5Translator, node: Fold) -> None:
    """Open the element and write its title."""
    size = f' <span class="fold-size">{escape(node["size"])}</span>' if node.get("size") else ""
    classes = " ".join(["fold", *node["classes"]])
    self.body.append(f'<details class="{classes}">\n<summary>{escape(node["title"])}{size}')
    self.body.append("</summary>\n")


def depart_html(self: HTML5Translator, node: Fold) -> None:
    """Close the element."""
    self.body.append("</details>\n")


def pass_through(self: Any, node: Fold) -> None:
    """Write what is folded and nothing else, where there is no browser."""


def setup(app: Sphinx) -> None:
    """Register the node."""
    app.add_node(Fold, html=(visit_html, depart_html), text=(pass_through, pass_through))
