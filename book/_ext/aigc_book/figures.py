"""Figures: a number, a caption, and the form that fits the reader's width and colour scheme.

A cell that shows a picture, a film or an explorer carries its captions in its metadata, by
language, one for each thing that it shows: ``{"aigc": {"captions": {"en": ["…"]}}}``. Each becomes
a figure, numbered within the page in the order in which it is read, with the anchor ``figure-3``.

While the book is built, ``aigc_tutorial.viz.variants`` draws further forms of a figure into the
same output: for a phone, and, where it holds pictures, for the dark scheme. They become one
``<picture>`` for each scheme; a browser loads none that it does not show.

A figure of Markdown, a file with a caption, is one of them: numbered with the others, and shown
with the forms that lie beside the file, ``loss-phone.png`` beside ``loss.png``.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, TypeGuard

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.text import TextTranslator

from .cell_code import Output
from .page_order import forms_of, is_cell, kind_of, part
from .pictures import size_of

LOGGER = logging.getLogger(__name__)
VARIANTS = "application/vnd.aigc-tutorial.figure+json"
PHONE = "(max-width: 620px)"
"""Up to this width the form for a phone is shown; so says ``diagrams.css`` for diagrams."""

FORMS = ("dark", "phone", "phone_dark")
_NUMBER = re.compile(r"[\d.]*\d")
_SHOWN = {Output.PICTURE, Output.EXPLORER}


class Forms(nodes.General, nodes.Element):  # type: ignore[misc]
    """The forms of one figure: images, each with its ``form``; the first is the wide one."""


class CellFigure(nodes.figure):  # type: ignore[misc]
    """A figure that is numbered within its page; Sphinx counts its own through the book."""


def caption_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Make figures of what the cells show."""
    number = 0
    title = next(iter(doctree.findall(nodes.title)), None)
    page = _NUMBER.match(title.astext()) if title is not None else None
    for cell in list(doctree.findall()):
        if _is_file(cell):
            number += 1
            number_figure(
                cell, f"Figure {page[0]}-{number}" if page else f"Figure {number}", number
            )
            continue
        if not is_cell(cell):
            continue
        output = part(cell, "cell_code_output")
        shown = [s for s in output.children if kind_of(s) in _SHOWN] if output else []
        captions = captions_of(cell.get("cell_metadata") or {}, app.config.language)
        if len(captions) != len(shown):
            LOGGER.warning(
                "cell %s shows %d figures and has %d captions in its metadata",
                cell.get("cell_index"),
                len(shown),
                len(captions),
                location=cell,
            )
        for bundle, words in zip(shown, captions, strict=False):
            number += 1
            label = f"{page[0]}-{number}" if page else str(number)
            bundle.parent.replace(bundle, make_figure(bundle, f"Figure {label}", words, number))


def captions_of(metadata: Mapping[str, Any], language: str) -> list[str]:
    """Return a cell's captions in a language."""
    captions: list[str] = metadata.get("aigc", {}).get("captions", {}).get(language, [])
    return captions


def make_figure(shown: nodes.Node, label: str, words: str, number: int) -> CellFigure:
    """Return a figure with its number, its caption and its anchor."""
    figure = CellFigure("", shown, classes=["captioned"], ids=[f"figure-{number}"])
    caption = nodes.caption("", "", nodes.inline("", label, classes=["figure-number"]))
    caption += nodes.Text(f" {words}")
    figure += caption
    return figure


def _is_file(node: nodes.Node) -> TypeGuard[nodes.figure]:
    """Return whether a node is a figure that Markdown names as a file."""
    return type(node) is nodes.figure and any(isinstance(child, Forms) for child in node.children)


def number_figure(figure: nodes.figure, label: str, number: int) -> None:
    """Make a figure of Markdown one of the page's; Sphinx would count it through the book."""
    caption = next(iter(figure.findall(nodes.caption)), nodes.caption())
    caption[0:0] = [nodes.inline("", label, classes=["figure-number"]), nodes.Text(" ")]
    ids = [f"figure-{number}", *figure["ids"]]
    others = [child for child in figure.children if child is not caption]
    numbered = CellFigure("", *others, caption, classes=["captioned"], ids=ids)
    figure.replace_self(numbered)


def add_file_forms(app: Sphinx, doctree: nodes.document) -> None:
    """Put the forms that lie beside a figure's file where its one picture is."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for figure in [node for node in doctree.findall(nodes.figure) if type(node) is nodes.figure]:
        for image in [child for child in figure.children if isinstance(child, nodes.image)]:
            forms = Forms("", classes=image["classes"])
            image.parent.replace(image, forms)
            image["form"] = "wide"
            forms += image
            uri = Path(image["uri"])
            for form in FORMS:
                beside = uri.with_stem(f"{uri.stem}-{form}")
                if (here / beside).is_file():
                    forms += nodes.image(uri=str(beside), alt=image.get("alt", ""), form=form)


def add_forms(app: Sphinx, doctree: nodes.document) -> None:
    """Put every form of a figure that was drawn where its one picture is."""
    pictures = [
        image
        for shown in doctree.findall(nodes.container)
        if shown.get("nb_element") == "mime_bundle"
        for form in forms_of(shown)
        if form["mime_type"] == "image/png"
        for image in form.findall(nodes.image)
    ]
    if not pictures:
        return
    folder = Path(app.srcdir, pictures[0]["uri"].lstrip("/")).parent
    drawn = dict(variants_of(executed(app)))
    for image in pictures:
        name = Path(image["uri"]).stem
        if (variants := drawn.get(name)) is not None:
            image.parent.replace(image, make_forms(image, variants, folder))


def executed(app: Sphinx) -> NotebookNode:
    """Return the page that is read, with its outputs: MyST-NB drops those that it cannot show."""
    source = app.env.doc2path(app.env.docname)
    if app.config.nb_execution_mode != "cache":
        return nbformat.read(source, nbformat.NO_CONVERT)
    cache = get_cache(app.config.nb_execution_cache_path)
    return cache.get_cache_bundle(cache.match_cache_file(source).pk).nb


def variants_of(notebook: NotebookNode) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield, from an executed notebook, each figure's name and its further forms in base64."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        data = output.get("data", {})
        if VARIANTS in data and "image/png" in data:
            png = base64.b64decode(data["image/png"])
            yield sha256(png).hexdigest(), data[VARIANTS]


def make_forms(image: nodes.image, variants: Mapping[str, str], folder: Path) -> Forms:
    """Write a figure's further forms beside it, and return all of them.

    Args:
        image: The wide form.
        variants: The others in base64, by name.
        folder: Where the picture lies.
    """
    forms = Forms("", image)
    image["form"] = "wide"
    uri = Path(image["uri"])
    for form in FORMS:
        if form in variants:
            name = f"{uri.stem}-{form}.png"
            (folder / name).write_bytes(base64.b64decode(variants[form]))
            forms += nodes.image(uri=str(uri.with_name(name)), alt=image.get("alt", ""), form=form)
    return forms


def visit_html(self: HTML5Translator, node: Forms) -> None:
    """Write a ``<picture>`` for each scheme, or one whose ink the style sheet turns light."""
    address = {image["form"]: _address(self, image) for image in node.findall(nodes.image)}
    shown = _wide(node)
    width, _ = size_of(Path(self.builder.srcdir, shown["uri"])) or (0, 0)
    alt = escape(shown.get("alt", ""))
    if "dark" in address:
        schemes = [("only-light", "wide", "phone"), ("only-dark", "dark", "phone_dark")]
    else:
        schemes = [("ink", "wide", "phone")]
    for scheme, wide, phone in schemes:
        narrow = "" if phone in address else f' one-form" style="--width: {width}px'
        self.body.append(
            f'<picture class="{" ".join(["form", scheme, *node["classes"]])}{narrow}">'
        )
        if phone in address:
            self.body.append(f'<source media="{PHONE}" srcset="{address[phone]}" />')
        self.body.append(f'<img src="{address[wide]}" alt="{alt}" loading="lazy" /></picture>\n')
    raise nodes.SkipNode


def _wide(node: Forms) -> nodes.image:
    """The form that every reader could be shown, and that has the description."""
    return next(node.findall(nodes.image))


def _address(self: HTML5Translator, image: nodes.image) -> str:
    name = self.builder.images.get(image["uri"], Path(image["uri"]).name)
    return f"{self.builder.imgpath}/{name}"


def visit_text(self: Any, node: Forms) -> None:
    """Write the description where there is no browser."""
    self.add_text(_wide(node).get("alt", ""))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Connect after a page is in its order, and before Sphinx collects its pictures."""
    app.add_node(
        CellFigure,
        html=(HTML5Translator.visit_figure, HTML5Translator.depart_figure),
        text=(TextTranslator.visit_figure, TextTranslator.depart_figure),
    )
    app.add_node(Forms, html=(visit_html, None), text=(visit_text, None))
    app.connect("doctree-read", add_forms, priority=440)
    app.connect("doctree-read", add_file_forms, priority=440)
    app.connect("doctree-read", caption_figures, priority=450)
