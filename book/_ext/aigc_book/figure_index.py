"""The ``figure-index`` directive: every numbered figure of the book, from its caption.

While pages are read, number, anchor and first sentence of each caption are set down; when the page
with the directive is written, they are listed in the order of the table of contents.
"""

import re
from collections.abc import Iterable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from .search import toc_order

_SENTENCE = re.compile(r"(?<=[.?!])\s")
Figures = dict[str, list[tuple[str, str, str]]]
"""For each page its figures: anchor, number, first sentence of the caption."""


class FigureIndex(nodes.General, nodes.Element):  # type: ignore[misc]
    """Where the list will be."""


class FigureIndexDirective(SphinxDirective):
    """The list of all figures."""

    def run(self) -> list[nodes.Node]:
        """Keep a place for what is known when all pages were read."""
        pages_with_index(self.env).add(self.env.docname)
        return [FigureIndex()]


def figures(env: BuildEnvironment) -> Figures:
    """Return what was set down of the pages that were read."""
    if not hasattr(env, "aigc_figures"):
        env.aigc_figures = {}  # type: ignore[attr-defined]
    found: Figures = env.aigc_figures  # type: ignore[attr-defined]
    return found


def pages_with_index(env: BuildEnvironment) -> set[str]:
    """Return the pages that hold the directive."""
    if not hasattr(env, "aigc_figure_indices"):
        env.aigc_figure_indices = set()  # type: ignore[attr-defined]
    found: set[str] = env.aigc_figure_indices  # type: ignore[attr-defined]
    return found


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Set down the figures of a page."""
    found = []
    for figure in doctree.findall(nodes.figure):
        for caption in [child for child in figure.children if isinstance(child, nodes.caption)]:
            number = caption.children[0] if caption.children else None
            if isinstance(number, nodes.inline) and "figure-number" in number["classes"]:
                words = caption.astext().removeprefix(number.astext()).strip()
                sentence = _SENTENCE.split(words, maxsplit=1)[0]
                found.append((str(figure["ids"][0]), number.astext(), sentence))
    figures(app.env)[app.env.docname] = found


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page that is read again or gone."""
    figures(env).pop(docname, None)
    pages_with_index(env).discard(docname)


def merge(
    app: Sphinx, env: BuildEnvironment, names: Iterable[str], other: BuildEnvironment
) -> None:
    """Take over what another process read."""
    figures(env).update({name: figures(other)[name] for name in names if name in figures(other)})
    pages_with_index(env).update(pages_with_index(other) & set(names))


def write_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Name the pages with the list: a caption of any page may be new."""
    return sorted(pages_with_index(env))


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the list where its place was kept."""
    for place in list(doctree.findall(FigureIndex)):
        shown: list[nodes.Node] = []
        for page in toc_order(app):
            if not figures(app.env).get(page):
                continue
            shown.append(nodes.rubric("", app.env.titles[page].astext()))
            address = app.builder.get_relative_uri(docname, page)
            entries = nodes.bullet_list(classes=["figure-index"])
            for anchor, number, sentence in figures(app.env)[page]:
                link = nodes.reference("", number, refuri=f"{address}#{anchor}", internal=True)
                entry = nodes.paragraph("", "", link, nodes.Text(f" {sentence}"))
                entries += nodes.list_item("", entry)
            shown.append(entries)
        place.replace_self(shown)


def setup(app: Sphinx) -> None:
    """Register the directive; connect to reading when the figures have their numbers."""
    app.add_node(FigureIndex)
    app.add_directive("figure-index", FigureIndexDirective)
    app.connect("doctree-read", collect, priority=460)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", write_again)
    app.connect("doctree-resolved", fill, priority=400)
