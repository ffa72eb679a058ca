"""Figures of a page: numbers, captions, anchors, and the forms that a browser chooses from."""

import base64
import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aigc_book import figures, pictures
from docutils import nodes
from docutils.utils import new_document
from PIL import Image

from tests.book.test_page_order import PICTURE, make_cell, shown

APP: Any = SimpleNamespace(config=SimpleNamespace(language="en"))


def page(title: str, *cells: nodes.Node) -> nodes.document:
    document = new_document("page")
    document += nodes.title("", title)
    document.extend(cells)
    return document


def drawn(*captions: str) -> Any:
    return make_cell("plt.show()", [shown(*PICTURE)], aigc={"captions": {"en": list(captions)}})


def test_figures_are_numbered_within_their_page_in_its_order() -> None:
    document = page("3.2.1 GAN, step by step", drawn("First."), drawn("Second."))
    figures.caption_figures(APP, document)
    found = list(document.findall(nodes.figure))
    assert [figure["ids"] for figure in found] == [["figure-1"], ["figure-2"]]
    words = [caption.astext() for caption in document.findall(nodes.caption)]
    assert words == ["Figure 3.2.1-1 First.", "Figure 3.2.1-2 Second."]


@pytest.mark.parametrize("captions", [(), ("One.", "Two.")])
def test_a_cell_has_a_caption_for_each_thing_that_it_shows(
    captions: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        figures.LOGGER, "warning", lambda text, *args, **_: told.append(text % args)
    )
    figures.caption_figures(APP, page("1 Page", drawn(*captions)))
    assert told == [f"cell 4 shows 1 figures and has {len(captions)} captions in its metadata"]


def test_captions_of_another_language_stand_beside_these() -> None:
    metadata = {"aigc": {"captions": {"en": ["Loss."], "zh": ["损失。"]}}}
    assert figures.captions_of(metadata, "zh") == ["损失。"]
    assert figures.captions_of(metadata, "de") == []


def png(width: int) -> bytes:
    stored = io.BytesIO()
    Image.new("RGBA", (width, 10)).save(stored, "PNG")
    return stored.getvalue()


def written(variants: list[str], folder: Path) -> str:
    """A picture's HTML, from an executed notebook that holds it in these forms."""
    wide = png(1000)
    name = hashlib.sha256(wide).hexdigest()
    (folder / f"{name}.png").write_bytes(wide)
    forms = {form: base64.b64encode(png(600)).decode() for form in variants}
    output = {"data": {"image/png": base64.b64encode(wide).decode(), figures.VARIANTS: forms}}
    (folder / "page.ipynb").write_text(json.dumps({"cells": [{"outputs": [output]}]}))
    image = nodes.image(uri=f"/{name}.png", alt="A <line>")
    form = nodes.container("", image, mime_type="image/png")
    document = page("1 Page", nodes.container("", form, nb_element="mime_bundle"))
    app: Any = SimpleNamespace(srcdir=folder, env=SimpleNamespace(docname="page"))
    figures.add_forms(app, document)
    (node,) = document.findall(figures.Forms)
    for one in node.findall(nodes.image):
        one["uri"] = one["uri"].lstrip("/")
    builder = SimpleNamespace(images={}, imgpath="_images", srcdir=folder)
    translator: Any = SimpleNamespace(body=[], builder=builder)
    with pytest.raises(nodes.SkipNode):
        figures.visit_html(translator, node)
    return "".join(translator.body).replace(name, "NAME")


def test_one_form_for_each_scheme_and_width(tmp_path: Path) -> None:
    html = written(["dark", "phone", "phone_dark"], tmp_path)
    light, dark = html.strip().split("\n")
    assert light.startswith('<picture class="form only-light"><source media="(max-width: 620px)"')
    assert 'srcset="_images/NAME-phone.png"' in light
    assert 'src="_images/NAME.png" alt="A &lt;line&gt;" loading="lazy"' in light
    assert 'class="form only-dark"' in dark
    assert 'srcset="_images/NAME-phone_dark.png"' in dark
    assert 'src="_images/NAME-dark.png"' in dark


def test_without_pictures_one_file_serves_both_schemes(tmp_path: Path) -> None:
    html = written([], tmp_path)
    assert html.count("<picture") == 1
    assert 'class="form ink one-form" style="--width: 1000px"' in html
    assert "<source" not in html


def test_sources_get_their_size_and_no_loading() -> None:
    tag = pictures.placed('<source media="all" srcset="a.png" />', (600, 400), first=False)
    assert tag == '<source media="all" srcset="a.png" width="600" height="400" />'
