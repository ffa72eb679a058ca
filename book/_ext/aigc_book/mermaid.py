"""The ``mermaid`` directive: a diagram drawn in the reader's browser, by the book's own copy.

The classic script is used, because module scripts do not load from ``file://``. The diagram is
drawn again when the reader changes between light and dark.
"""

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

SCRIPTS = ("lib/mermaid/mermaid.min.js", "mermaid-diagrams.js")


class Diagram(nodes.General, nodes.Element):  # type: ignore[misc]
    """A Mermaid diagram: its source in ``code``, its description for screen readers in ``alt``."""


class MermaidDirective(Directive):
    """A fenced block of Mermaid's language; ``alt`` describes it to those who do not see it."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the diagram's node."""
        if "alt" not in self.options:
            raise self.error("a diagram needs `:alt:`, which says in words what it shows")
        return [Diagram(code="\n".join(self.content), alt=self.options["alt"])]


def visit_html(self: HTML5Translator, node: Diagram) -> None:
    """Write the diagram's source; the script replaces it by the drawing."""
    self.body.append(
        f'<div class="mermaid-diagram" role="img" aria-label="{self.attval(node["alt"])}">'
        f'<pre class="mermaid">{self.encode(node["code"])}</pre></div>\n'
    )
    raise nodes.SkipNode


def visit_text(self: Any, node: Diagram) -> None:
    """Write the description where there is no browser."""
    self.add_text(node["alt"])
    raise nodes.SkipNode


def add_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load Mermaid on the pages that have a diagram, and on no other."""
    if doctree is not None and next(doctree.findall(Diagram), None) is not None:
        for script in SCRIPTS:
            app.add_js_file(script, loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the node, the directive and the scripts."""
    app.add_node(Diagram, html=(visit_html, None), text=(visit_text, None))
    app.add_directive("mermaid", MermaidDirective)
    app.connect("html-page-context", add_scripts)
