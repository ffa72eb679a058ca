"""The pages of the built book show every explorer, and load none of its frames but one."""

import ast
import functools
import re
from pathlib import Path

import chromium
import colab_cell
import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from bs4.filter import SoupStrainer
from clean_notebooks import notebooks

from tests.explorer_calls import explorer_calls

pytestmark = pytest.mark.built

HTML = sorted((chromium.HTML / "book").glob("*.html"))
EACH = pytest.mark.parametrize("path", HTML, ids=lambda path: path.stem)


@functools.cache
def soup(path: Path) -> Tag:
    """Return a page's figures and scripts."""
    needed = SoupStrainer(["figure", "script"])
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser", parse_only=needed)


def in_template(element: Tag) -> bool:
    return element.find_parent("template") is not None


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_every_explorer_that_is_made_is_on_the_page(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = [c.source for c in cells if c.cell_type == "code" and c.id != colab_cell.CELL_ID]
    n_made = sum(len(explorer_calls(ast.parse(source))) for source in code)
    page = soup(chromium.HTML / "book" / f"{path.stem}.html")
    assert len(page.select("figure.explorer")) == n_made


@EACH
def test_no_widgets_are_left(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.findall(
        r"jupyter\.widget-\w+|html-manager|embed(?:-amd)?\.js|data:(?:image|audio)/\w+", text
    )
    assert found == []


@EACH
def test_script_and_style_are_loaded_where_there_is_an_explorer(path: Path) -> None:
    page = soup(path)
    scripts = [tag for tag in page.select("script[src]") if "explorers.js" in str(tag["src"])]
    assert bool(scripts) == bool(page.select("figure.explorer"))
    assert all(script.has_attr("defer") for script in scripts)


@EACH
def test_one_picture_of_an_explorer_is_loaded_and_has_its_size(path: Path) -> None:
    for explorer in soup(path).select("figure.explorer"):
        pictures = explorer.find_all("img")
        seen = [picture for picture in pictures if not in_template(picture)]
        # The theme shows one scheme's, and a browser loads no other that waits.
        for scheme in ("only-light", "only-dark"):
            assert sum(picture.find_parent(class_=scheme) is None for picture in seen) <= 1
        for picture in pictures:
            assert {"alt", "width", "height"} <= set(picture.attrs)
            assert (path.parent / str(picture["src"])).is_file()
