"""Explorers and films on a page: plain HTML, moved by one small script, without a kernel.

An output that is a widget becomes an explorer (``explorer_parts`` reads it from the widgets'
state, ``explorer_html`` writes it), and the state itself, megabytes of JSON, leaves the page. The
``film`` directive shows a moving picture, a GIF, in the same way: it can be stopped, and it stands
still for readers who want no motion.
"""

import base64
import html
import io
import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE
from myst_nb.sphinx_ import NbMetadataCollector
from PIL import Image, ImageSequence
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from .explorer_html import PICTURES, still, write
from .explorer_parts import Explorer, ExplorerError, Group, Markup, Play, Slider, Views, read

SCRIPT, STYLE = "explorers.js", "explorers.css"


class ExplorerNode(nodes.General, nodes.Element):  # type: ignore[misc]
    """An explorer: its HTML in ``html``, its ``pictures`` by name, a sentence in ``still``."""


def make_node(explorer: Explorer, document: nodes.document) -> ExplorerNode:
    """Return a node whose ids are its own on the page."""
    number = document.attributes["n_explorers"] = document.attributes.get("n_explorers", 0) + 1
    written = write(explorer, f"explorer-{number}")
    return ExplorerNode(html=written.html, pictures=written.pictures, still=still(explorer))


def keep_widgets_out(app: Sphinx, config: Config) -> None:
    """Load no widget manager: the pages have no widgets."""
    config.nb_ipywidgets_js = {}


def replace_widgets(app: Sphinx, doctree: nodes.document) -> None:
    """Put an explorer in the place of every output that is a widget.

    Raises:
        ExplorerError: One of them needs a kernel; the message names the page and the cell.
    """
    page = app.env.docname
    scripts = NbMetadataCollector.get_js_files(app.env, page)  # type: ignore[arg-type]
    _, saved = scripts.pop("ipywidgets_state", (None, {"body": '{"state": {}}'}))
    widgets = json.loads(saved["body"])["state"]
    for raw in list(doctree.findall(is_widget_view)):
        view = json.loads(raw.astext().partition(">")[2].removesuffix("</script>"))
        try:
            explorer = read(view["model_id"], widgets)
        except ExplorerError as error:
            raise ExplorerError(f"{page}, {cell_of(raw)}: {error}") from error
        raw.parent.replace(raw, make_node(explorer, doctree))


def is_widget_view(node: nodes.Node) -> bool:
    """Return whether a node is what MyST-NB makes of an output that is a widget."""
    return isinstance(node, nodes.raw) and f'type="{WIDGET_VIEW_MIMETYPE}"' in node.astext()[:80]


def cell_of(node: nodes.Node) -> str:
    """Return words for the notebook's cell that a node stands in."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.Element) and "cell_index" in node:
            return f"cell {node['cell_index']} (from 0)"
    return "a cell"


class FilmDirective(SphinxDirective):
    """A GIF as a film, with a play button and a slider.

    One frame, ``start``, stands on the page; the others are loaded when the reader comes to it.
    """

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "alt": directives.unchanged_required,
        "slider": directives.unchanged_required,
        "start": directives.positive_int,
        "autoplay": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return the film's node."""
        missing = [f":{key}:" for key in ("alt", "slider") if key not in self.options]
        if missing:
            raise self.error(
                f"a film needs {' and '.join(missing)}: words for it, and for its slider"
            )
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        explorer = film(
            Path(path),
            self.options["alt"],
            self.options["slider"],
            start=self.options.get("start", 1),
            autoplay="autoplay" in self.options,
        )
        return [make_node(explorer, self.state.document)]


def film(path: Path, alt: str, name: str, *, start: int, autoplay: bool) -> Explorer:
    """Return a GIF, dark on white as ``tools/make_pictures.py`` draws it, as an explorer.

    Raises:
        ExplorerError: There is no frame ``start``; the first is 1.
    """
    with Image.open(path) as moving:
        milliseconds = int(moving.info["duration"])
        loop = moving.info.get("loop") == 0
        frames = [frame.convert("L") for frame in ImageSequence.Iterator(moving)]
    labels = tuple(str(number) for number in range(1, len(frames) + 1))
    views = []
    for frame, label in zip(frames, labels, strict=True):
        stored = io.BytesIO()
        frame.save(stored, "WEBP", lossless=True, method=6)
        data = base64.b64encode(stored.getvalue()).decode("ascii")
        views.append(
            Markup(
                f'<img src="data:image/webp;base64,{data}" alt="{html.escape(f"{alt} ({label})")}" '
                'class="explorer-ink">'
            )
        )
    controls = (
        Play("s0", 0, len(frames) - 1, milliseconds, loop),
        Slider("s0", name, name, 0, labels),
    )
    parts = (Group("row", controls), Views("s0", tuple(views)))
    return Explorer(Group("column", parts), {"s0": start - 1}, autoplay)


def visit_html(self: HTML5Translator, node: ExplorerNode) -> None:
    """Write the HTML, and the pictures into the book's folder of pictures."""
    folder = Path(self.builder.outdir, self.builder.imagedir)
    for name, data in node["pictures"].items():
        path = folder / name
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    self.body.append(node["html"].replace(PICTURES, self.builder.imgpath))
    raise nodes.SkipNode


def visit_text(self: Any, node: ExplorerNode) -> None:
    """Write the sentence where there is no browser."""
    self.add_text(node["still"])
    raise nodes.SkipNode


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the script on the pages that have an explorer, and on no other."""
    if doctree is not None and next(doctree.findall(ExplorerNode), None) is not None:
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the node and the directive, and connect to Sphinx."""
    app.add_node(ExplorerNode, html=(visit_html, None), text=(visit_text, None))
    app.add_directive("film", FilmDirective)
    app.connect("config-inited", keep_widgets_out)
    app.connect("doctree-read", replace_widgets)
    app.add_css_file(STYLE)
    app.connect("html-page-context", add_script)
