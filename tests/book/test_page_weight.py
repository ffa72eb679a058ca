"""What the build takes away from a page, and what it gives its pictures."""

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from aigc_book import fonts, javascript, page_assets, pictures, theme_files
from fontTools.ttLib import TTFont
from PIL import Image

CODE = '<div class="highlight-python notranslate"><div class="highlight"><pre></pre></div></div>'


def script(filename: str | None = None, body: str | None = None) -> SimpleNamespace:
    """A script as Sphinx keeps it."""
    return SimpleNamespace(filename=filename, attributes={"body": body})


@pytest.mark.parametrize(
    ("asset", "user"),
    [
        (script("_static/copybutton.js"), CODE),
        (script("_static/clipboard.min.js"), CODE),
        (script("_static/togglebutton.js"), '<div class="admonition hint dropdown">'),
        (script(body="let toggleHintShow = 'Click to show';"), '<div class="toggle docutils">'),
        (script("_static/design-tabs.js"), '<div class="sd-tab-set docutils">'),
    ],
)
def test_a_page_loads_what_it_uses(asset: SimpleNamespace, user: str) -> None:
    assert page_assets.is_used(asset, f"<p>text</p>{user}")
    assert not page_assets.is_used(asset, "<p>text</p>")


def test_thebe_is_loaded_nowhere_and_the_book_s_own_everywhere() -> None:
    assert not page_assets.is_used(script("_static/sphinx-thebe.js"), CODE)
    assert page_assets.is_used("_static/menu.js", "<p>text</p>")


def test_scripts_wait_for_the_text() -> None:
    assert (
        page_assets.deferred('<script src="a.js"></script>') == '<script defer src="a.js"></script>'
    )
    assert page_assets.deferred('<script defer src="a.js"></script>').count("defer") == 1
    assert page_assets.deferred("<script>let a = 1;</script>") == "<script>let a = 1;</script>"
    uses_a_file = "<script>DOCUMENTATION_OPTIONS.pagename = 'index';</script>"
    assert page_assets.deferred(uses_a_file).startswith('<script type="module">')


def test_a_font_keeps_the_letters_asked_for(tmp_path: Path) -> None:
    folder = javascript.ensure_libraries()["mathjax-tex-font"] / "chtml" / "woff2"
    small = fonts.subset_font(folder / "mjx-tex-n.woff2", "(𝑥", tmp_path)
    assert set(TTFont(BytesIO(small)).getBestCmap()) == {ord("("), ord("𝑥")}
    assert len(small) < 2000


def test_a_font_is_made_once(tmp_path: Path) -> None:
    folder = javascript.ensure_libraries()["mathjax-tex-font"] / "chtml" / "woff2"
    first = fonts.subset_font(folder / "mjx-tex-so.woff2", "∑", tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == first
    kept.write_bytes(b"kept")
    assert fonts.subset_font(folder / "mjx-tex-so.woff2", "∑", tmp_path) == b"kept"


def test_icons_that_are_not_shown_leave_the_style_sheet() -> None:
    page = '<i class="fa-solid fa-bars"></i><i class="fab fa-github fa-lg"></i>'
    icons = theme_files.used_icons([page, "<p>none</p>"])
    assert {"fa-bars", "fa-github"} <= icons
    css = (
        '.fa-bars:before,.fa-navicon:before{content:"\\f0c9"}.fa-tent:before{content:"\\e57d"}'
        '.fa-github:before{content:"\\f09b"}.fa-lg{font-size:1.25em}'
        '@font-face{src:url(a.woff2) format("woff2"),url(a.ttf) format("truetype")}'
    )
    reduced = theme_files.reduce_style_sheet(css, icons)
    assert reduced == (
        '.fa-bars:before,.fa-navicon:before{content:"\\f0c9"}.fa-github:before{content:"\\f09b"}'
        '.fa-lg{font-size:1.25em}@font-face{src:url(a.woff2) format("woff2")}'
    )
    assert theme_files.letters_of_icons(reduced + '--icon:"\uf105"') == "\uf09b\uf0c9\uf105"


def test_a_picture_is_packed_without_loss_and_once(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 4), dtype=np.uint8)
    png = BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    packed = pictures.repacked(png.getvalue(), tmp_path)
    seen = np.asarray(Image.open(BytesIO(packed)))
    visible = pixels[..., 3] > 0
    np.testing.assert_array_equal(seen[visible], pixels[visible])
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"kept")
    assert pictures.repacked(png.getvalue(), tmp_path) == b"kept"


@pytest.mark.parametrize(
    ("tag", "first", "placed"),
    [
        (
            '<img alt="a" src="a.png" />',
            False,
            '<img alt="a" src="a.png" width="30" height="20" loading="lazy" decoding="async" />',
        ),
        ('<img src="a.png">', True, '<img src="a.png" width="30" height="20" decoding="async" />'),
        (
            '<img src="a.png" style="width: 50%;" loading="eager">',
            False,
            '<img src="a.png" style="width: 50%;" loading="eager" decoding="async" />',
        ),
    ],
)
def test_a_picture_has_its_place_before_it_is_loaded(tag: str, first: bool, placed: str) -> None:
    assert pictures.placed(tag, (30, 20), first) == placed


@pytest.fixture
def builder(tmp_path: Path) -> SimpleNamespace:
    """As much of Sphinx's builder as a page's pictures need, and a figure of a notebook."""
    Image.new("RGB", (300, 200), "white").save(tmp_path / "figure.png")
    (tmp_path / "static").mkdir()
    Image.new("RGB", (8, 4)).save(tmp_path / "static" / "card.png")
    return SimpleNamespace(
        srcdir=tmp_path,
        confdir=tmp_path,
        outdir=tmp_path / "html",
        imagedir="_images",
        images={"figure.png": "abc.png"},
        config=SimpleNamespace(html_static_path=["static"]),
    )


def test_the_pictures_of_a_page_are_found_packed_and_placed(
    builder: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "KEPT", tmp_path / "kept")
    page = pictures.Pictures(builder, "book/page")  # type: ignore[arg-type]
    made = page.replace(
        '<img src="../_images/abc.png"><img src="../_static/card.png">'
        '<img src="data:image/png;base64,AA==">'
    )
    assert made == (
        '<img src="../_images/abc.webp" width="300" height="200" decoding="async" />'
        '<img src="../_static/card.png" width="8" height="4" loading="lazy" decoding="async" />'
        '<img src="data:image/png;base64,AA==" loading="lazy" decoding="async" />'
    )
    with Image.open(tmp_path / "html" / "_images" / "abc.webp") as image:
        assert image.size == (300, 200)
    assert builder.images == {"figure.png": "abc.png"}  # of another process's builder
