"""The ``mermaid`` directive: a diagram in Mermaid's language, drawn beforehand.

``make diagrams`` draws with Chromium into ``book/_diagrams``; the build puts the drawing into the
page. So a page needs no script for it, it is there at once and on paper, and its colours follow the
page's. The drawing is named by a hash of the diagram's source: one that was changed has no drawing.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from .repository import BOOK

FOLDER = BOOK / "_diagrams"
_FENCE = re.compile(r"^(`{3,})\{mermaid\}\n(?P<body>.*?)^\1$", re.MULTILINE | re.DOTALL)


class Diagram(nodes.General, nodes.Element):  # type: ignore[misc]
    """A diagram: its source in ``code``, its description for screen readers in ``alt``."""


class MermaidDirective(Directive):
    """A fenced block of Mermaid's language; ``alt`` describes it to those who do not see it."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the diagram's node."""
        if "alt" not in self.options:
            raise self.error("a diagram needs `:alt:`, which says in words what it shows")
        code = "\n".join(self.content)
        if not drawing_of(code).is_file():
            raise self.error("this diagram has no drawing yet: run `make diagrams`, and commit it")
        return [Diagram(code=code, alt=self.options["alt"])]


def drawing_of(code: str) -> Path:
    """Return the path of the drawing of a diagram, which need not be there."""
    name = hashlib.sha256(code.strip().encode()).hexdigest()[:10]
    return FOLDER / f"{name}.html"


def read_fence(text: str) -> Iterator[str]:
    """Yield the source of each diagram in a Markdown text, as the directive gets it."""
    for found in _FENCE.finditer(text):
        lines = found["body"].splitlines()
        while lines and lines[0].startswith(":"):
            del lines[0]
        yield "\n".join(lines).strip()


def visit_html(self: HTML5Translator, node: Diagram) -> None:
    """Write both drawings; the style sheet shows the one for the reader's width."""
    drawings = drawing_of(node["code"]).read_text(encoding="utf-8")
    self.body.append(
        f'<div class="diagram" role="img" aria-label="{self.attval(node["alt"])}">\n'
        f"{drawings}</div>\n"
    )
    raise nodes.SkipNode


def visit_text(self: Any, node: Diagram) -> None:
    """Write the description where there is no browser."""
    self.add_text(node["alt"])
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the node and the directive."""
    app.add_node(Diagram, html=(visit_html, None), text=(visit_text, None))
    app.add_directive("mermaid", MermaidDirective)
