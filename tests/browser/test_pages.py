"""What a reader's browser makes of the built book."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import chromium
import pytest

from tests.colour_contrast import contrast, luminance

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

PAGES = chromium.book_pages()
SOURCES = {name: (chromium.HTML / name).read_text(encoding="utf-8") for name in PAGES}
WITH_FORMULAS = [name for name, text in SOURCES.items() if re.search(r'class="math[ "]', text)]

# Elements that reach beyond the given width and do not lie in a box that scrolls.
TOO_WIDE = """(limit) => [...document.querySelectorAll(".bd-article *")].filter((e) => {
  if (e.getBoundingClientRect().right <= limit + 1) return false;
  const drawn = e instanceof SVGElement;  // a drawing clips itself; what holds it may scroll
  for (let p = drawn ? e.parentElement : e; p; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== "visible") return p === e && e.clientWidth > limit;
  return true;
}).map((e) => e.outerHTML.slice(0, 120))"""
COLOURS = """() => [getComputedStyle(document.body).backgroundColor,
  ...[...document.querySelectorAll(".bd-article :is(p, h1, label, legend, .explorer-play)")]
    .filter((e) => e.offsetParent && !e.closest(".equation-test, .admonition, .sd-card, .output"))
    .map((e) => getComputedStyle(e).color)]"""


def visiting(
    names: Iterable[str], schemes: Iterable[str] = ("file", "http")
) -> pytest.MarkDecorator:
    """Return the mark that runs a test on these pages, over each of the schemes."""
    parameters = [(scheme, name) for scheme in schemes for name in names]
    ids = [f"{scheme}-{name}" for scheme, name in parameters]
    return pytest.mark.parametrize("visit", parameters, indirect=True, scope="module", ids=ids)


def test_contrast_of_black_on_white() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)


def test_the_book_is_built() -> None:
    assert "book/index.html" in PAGES, "there is no built book; run `make book` first"


@visiting(PAGES)
def test_no_request_leaves_the_page(visit: chromium.Visit, addresses: dict[str, str]) -> None:
    own = urlsplit(addresses["http"]).netloc
    foreign = [
        url
        for url in visit.requests
        if urlsplit(url).scheme not in {"file", "data", "blob", "about"}
        and urlsplit(url).netloc != own
    ]
    assert foreign == []
    assert visit.failures == []
    assert visit.errors == []


@visiting(WITH_FORMULAS)
def test_formulas_are_typeset(visit: chromium.Visit) -> None:
    page = visit.page
    n_formulas = page.locator(".math").count()
    assert n_formulas > 0
    assert page.locator("mjx-container").count() >= n_formulas
    faults = page.locator("mjx-merror, [data-mjx-error]")
    assert faults.all_text_contents() == []


@visiting(PAGES, schemes=["file"])
def test_nothing_is_wider_than_a_phone(visit: chromium.Visit) -> None:
    page = visit.page
    page.set_viewport_size(chromium.PHONE)
    page.wait_for_timeout(100)
    width = page.evaluate("() => document.scrollingElement.scrollWidth")
    too_wide = page.evaluate(TOO_WIDE, chromium.PHONE["width"])
    page.set_viewport_size(chromium.WIDE)
    assert too_wide == []
    assert width <= chromium.PHONE["width"]


@visiting(PAGES, schemes=["file"])
@pytest.mark.parametrize("colours", ["dark", "light"])
def test_text_is_readable_in_both_colour_schemes(visit: chromium.Visit, colours: str) -> None:
    chromium.set_scheme(visit.page, colours)
    background, *texts = visit.page.evaluate(COLOURS)
    chromium.set_scheme(visit.page, "light")
    assert (luminance(background) < 0.2) == (colours == "dark")
    assert texts, "the page has no text"
    assert min(contrast(text, background) for text in texts) >= 4.5


@visiting(["book/index.html"], schemes=["file"])
def test_one_search_field_is_offered(visit: chromium.Visit) -> None:
    fields = visit.page.locator("input[type=search]:visible, .search-button-field:visible")
    assert fields.count() == 1
