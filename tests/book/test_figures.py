"""Figures of a page: numbers, captions, anchors, and the forms that a browser chooses from."""

import base64
import hashlib
import io
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from aigc_book import figures, pictures
from docutils import nodes
from docutils.utils import new_document
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbformat.v4 import new_code_cell, new_notebook, new_output
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


def of_a_file(uri: str) -> nodes.figure:
    figure = nodes.figure("", nodes.image(uri=uri, alt="A curve falls"))
    figure += nodes.caption("", "From a file.")
    return figure


def test_a_figure_of_markdown_is_counted_with_the_cells(tmp_path: Path) -> None:
    Path(tmp_path, "loss.png").write_bytes(png(90))
    Path(tmp_path, "loss-phone.png").write_bytes(png(40))
    document = page("3.1 Page", drawn("First."), of_a_file("loss.png"), drawn("Third."))
    here = SimpleNamespace(docname="page", doc2path=lambda _: str(tmp_path / "page.md"))
    app: Any = SimpleNamespace(config=APP.config, env=here)
    figures.add_file_forms(app, document)
    figures.caption_figures(app, document)
    words = [caption.astext() for caption in document.findall(nodes.caption)]
    assert words == [f"Figure 3.1-{n}" for n in ("1 First.", "2 From a file.", "3 Third.")]
    (forms,) = document.findall(figures.Forms)
    found = {image["form"]: image["uri"] for image in forms.findall(nodes.image)}
    assert found == {"wide": "loss.png", "phone": "loss-phone.png"}


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


def notebook(wide: bytes, forms: dict[str, str]) -> nbformat.NotebookNode:
    """One cell whose figure has further forms."""
    data = {"image/png": base64.b64encode(wide).decode(), figures.VARIANTS: forms}
    output = new_output("display_data", data=data)
    return new_notebook(cells=[new_code_cell("plt.show()", outputs=[output], execution_count=1)])


def application(folder: Path, **config: Any) -> Any:
    """What the extension asks of Sphinx while it reads the page `page.ipynb`."""
    env = SimpleNamespace(docname="page", doc2path=lambda name: str(folder / f"{name}.ipynb"))
    return SimpleNamespace(srcdir=folder, env=env, config=SimpleNamespace(**config))


def written(variants: list[str], folder: Path) -> str:
    """A picture's HTML, from an executed notebook that holds it in these forms."""
    wide = png(1000)
    name = hashlib.sha256(wide).hexdigest()
    (folder / f"{name}.png").write_bytes(wide)
    forms = {form: base64.b64encode(png(600)).decode() for form in variants}
    nbformat.write(notebook(wide, forms), folder / "page.ipynb")
    image = nodes.image(uri=f"/{name}.png", alt="A <line>")
    form = nodes.container("", image, mime_type="image/png")
    document = page("1 Page", nodes.container("", form, nb_element="mime_bundle"))
    figures.add_forms(application(folder, nb_execution_mode="off"), document)
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


def test_forms_are_found_in_the_cache_of_executed_notebooks(tmp_path: Path) -> None:
    page_with_outputs = notebook(png(1000), {"phone": "AAAA"})
    bare = deepcopy(page_with_outputs)
    bare.cells[0].outputs = []
    source = tmp_path / "page.ipynb"
    nbformat.write(bare, source)
    folder = str(tmp_path / "cache")
    get_cache(folder).cache_notebook_bundle(CacheBundleIn(page_with_outputs, str(source)))
    app = application(tmp_path, nb_execution_mode="cache", nb_execution_cache_path=folder)
    ((name, forms),) = figures.variants_of(figures.executed(app))
    assert name == hashlib.sha256(png(1000)).hexdigest()
    assert forms == {"phone": "AAAA"}


def test_without_pictures_one_file_serves_both_schemes(tmp_path: Path) -> None:
    html = written([], tmp_path)
    assert html.count("<picture") == 1
    assert 'class="form ink one-form" style="--width: 1000px"' in html
    assert "<source" not in html


def test_sources_get_their_size_and_no_loading() -> None:
    tag = pictures.placed('<source media="all" srcset="a.png" />', (600, 400), first=False)
    assert tag == '<source media="all" srcset="a.png" width="600" height="400" />'
