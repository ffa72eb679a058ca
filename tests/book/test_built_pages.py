"""What stands in the files of the built book: pictures with a size, icons that their font has."""

import base64
import gzip
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aigc_book import formulas, style_sheets
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

pytestmark = pytest.mark.built

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("book/**/*.html"))


class Pictures(HTMLParser):
    """Collects the attributes of a page's pictures, but for the theme's own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed((HTML / page).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img" and not str(dict(attrs).get("src")).endswith("logo_colab.png"):
            self.found.append(dict(attrs))


def test_the_book_is_built() -> None:
    assert "book/index.html" in PAGES, "there is no built book; run `make book` first"


@pytest.mark.parametrize("page", PAGES)
def test_pictures_keep_their_place_and_come_when_they_are_near(page: str) -> None:
    pictures = [p for p in Pictures(page).found if not str(p.get("src")).endswith(".svg")]
    unsized = [p for p in pictures if not ({"width", "height"} <= set(p) or "style" in p)]
    assert unsized == []
    assert [p for p in pictures[1:] if p.get("loading") not in ("lazy", "eager")] == []


def n_with_alt(notebook: Path) -> int:
    """How many cells of a page draw a picture."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return sum("image" in cell["metadata"].get("mystnb", {}) for cell in cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_of_a_cell_has_its_forms(notebook: Path) -> None:
    html = (HTML / "book" / f"{notebook.stem}.html").read_text(encoding="utf-8")
    assert html.count('<picture class="form') >= n_with_alt(notebook)


def test_most_pages_have_figures_for_a_phone() -> None:
    pages = [(HTML / "book" / f"{n.stem}.html").read_text(encoding="utf-8") for n in NOTEBOOKS]
    assert sum("-phone.webp" in html for html in pages) > len(pages) / 2


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_in_the_dark_every_figure_is_turned_as_ink_or_has_a_form_of_its_own(notebook: Path) -> None:
    page = (HTML / "book" / f"{notebook.stem}.html").read_text(encoding="utf-8")
    ways = {"ink": 0, "only-light": 0, "only-dark": 0}
    for picture in BeautifulSoup(page, "html.parser").select("picture.form"):
        (way,) = ways.keys() & set(picture["class"])
        ways[way] += 1
        files = re.findall(r'src(?:set)?="([^"]+)"', str(picture))
        assert [name.endswith("dark.webp") for name in files] == [way == "only-dark"] * len(files)
    assert ways["only-light"] == ways["only-dark"]
    assert ways["ink"] + ways["only-light"] >= n_with_alt(notebook)


@pytest.mark.parametrize("page", PAGES)
def test_formulas_are_typeset_and_mathjax_is_not_loaded(page: str) -> None:
    text = (HTML / page).read_text(encoding="utf-8")
    n_formulas = len(re.findall(r'<(?:span|div) class="(?:amsmath )?math[ "]', text))
    assert text.count("<mjx-container") >= n_formulas
    # A screen reader reads the formula's MathML, and not its letters.
    hidden = re.findall(r'<mjx-math\b[^>]* aria-hidden="true"', text)
    assert text.count("<mjx-math ") == text.count("<mjx-assistive-mml") == len(hidden)
    assert not re.search(r"<script[^>]*mathjax|window\.MathJax|MathJax\.Hub", text, re.IGNORECASE)
    sheet = "_static/lib/formulas/mathjax.css" in text
    assert sheet == ("<mjx-container" in text)


def test_what_grows_in_a_formula_has_its_rules_and_the_letters_of_its_pieces() -> None:
    css = (HTML / "_static" / formulas.STYLE_SHEET).read_text(encoding="utf-8")
    faces = re.findall(r"/\* MJX-(?:TEX-)?(\w+) \*/[^}]*base64,([^)\"]+)", css)
    drawn = {name: TTFont(io.BytesIO(base64.b64decode(font))).getBestCmap() for name, font in faces}
    n_growing = 0
    for page in PAGES:
        text = (HTML / page).read_text(encoding="utf-8")
        for element, name in re.findall(r"<(mjx-stretchy-[vh])\b[^>]*?class=\"([\w-]+)", text):
            assert f"\n{element}.{name} " in css, page
            n_growing += 1
        pieces = r'<mjx-(?:beg|ext|mid|end)(?: class="TEX-(\w+)")?>(?:<mjx-spacer>)?([^<]+)'
        for font, letters in re.findall(pieces, text):
            assert set(map(ord, "".join(letters.split()))) <= set(drawn[font or "N"]), page
    assert n_growing > 10


@pytest.mark.parametrize("page", PAGES)
def test_fonts_are_unpacked_between_the_style_sheets_and_the_text(page: str) -> None:
    text = (HTML / page).read_text(encoding="utf-8")
    places = [text.rindex('rel="stylesheet"'), text.index("face.load()"), text.index("<body")]
    assert places == sorted(places)


def test_one_style_sheet_has_the_rules_of_the_classes_in_the_pages_and_no_others() -> None:
    css = (HTML / "_static" / style_sheets.SHEET).read_text(encoding="utf-8")
    assert len(gzip.compress(css.encode())) < 45_000
    assert "@import" not in css
    for path in re.findall(r'url\("([^":#]+)"\)', css):
        assert (HTML / "_static" / style_sheets.SHEET).parent.joinpath(path).is_file()
    assert {".bd-article", ".bs-tooltip-auto"} <= set(re.findall(r"\.[\w-]+", css))
    assert ".spinner-border" not in css  # the theme's, and on no page
    for page in PAGES:
        text = (HTML / page).read_text(encoding="utf-8")
        sheets = re.findall(r'<link[^>]*href="([^"?]+\.css)[^>]*>', text)
        assert len(sheets) == 1 + ("<mjx-container" in text), page
        assert sheets[-1].endswith(f"_static/{style_sheets.SHEET}")


@pytest.mark.parametrize("page", PAGES)
def test_scripts_wait_for_the_text(page: str) -> None:
    text = (HTML / page).read_text(encoding="utf-8")
    waiting = re.findall(r"<script[^>]*\bsrc=[^>]*>", text)
    assert waiting
    assert [tag for tag in waiting if not re.search(r"\b(?:defer|async)\b", tag)] == []
    assert "fontawesome.js" not in text


def test_fonts_have_the_icons_that_are_shown_and_few_others() -> None:
    css = (HTML / "_static" / style_sheets.SHEET).read_text(encoding="utf-8")
    shown = set(re.findall(r'\.fa-[\w-]+:before\{content:"([^"])"\}', css))
    assert len(shown) >= 10
    fonts = [base64.b64decode(data) for data in re.findall(r"data:font/woff2;base64,([^)]+)", css)]
    assert max(len(font) for font in fonts) < 5000
    drawn = {chr(code) for font in fonts for code in TTFont(io.BytesIO(font)).getBestCmap()}
    assert shown <= drawn
    assert not list(HTML.glob("_static/scripts/fontawesome*"))


def outputs_of(page: str) -> list[str]:
    """The lines that a page's cells show, without listings and explorers."""
    soup = BeautifulSoup((HTML / page).read_text(encoding="utf-8"), "html.parser")
    for part in soup.select(".highlight-ipython3, .highlight-python, figure.explorer, script"):
        part.decompose()
    shown = soup.select("div.cell_output")
    return [line for part in shown for line in part.get_text(" ").splitlines()]


CHAPTERS = [page for page in PAGES if re.fullmatch(r"book/\d[^/]*\.html", page)]


@pytest.mark.parametrize("page", CHAPTERS)
def test_numbers_are_set_as_print_sets_them(page: str) -> None:
    """A hyphen is no minus, and what follows an e no exponent."""
    typed = re.compile(r"(?<![\w)\]\"'`])-\d+\.\d|\d[eE][+-]\d\d")
    assert [line for line in outputs_of(page) if typed.search(line)] == []


@pytest.mark.parametrize("page", CHAPTERS)
def test_no_path_of_one_machine_is_shown(page: str) -> None:
    place = re.compile(r"(?<![\w.])(?:/tmp/|/home/|/root/|/Users/|[A-Z]:\\\\)")
    assert [line for line in outputs_of(page) if place.search(line)] == []


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_picture_stands_in_a_figure_with_a_number(page: str) -> None:
    soup = BeautifulSoup((HTML / page).read_text(encoding="utf-8"), "html.parser")
    pictures = soup.select("article img:not(.colab-badge, [src$='.svg'], [src*='logo_colab'])")
    bare = [p.get("src") for p in pictures if p.find_parent("figure", class_="captioned") is None]
    assert bare == []
