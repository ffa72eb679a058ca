"""What a reader's browser makes of the built book."""

from urllib.parse import urlsplit

import chromium
import pytest

from tests.colour_contrast import contrast, luminance

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

PAGES = chromium.book_pages()
EACH = pytest.mark.parametrize("visit", PAGES, indirect=True)

# Elements that reach beyond the window and do not lie in a box that scrolls.
TOO_WIDE = """() => [...document.querySelectorAll(".bd-article *")].filter((e) => {
  const limit = document.documentElement.clientWidth;
  if (e.getBoundingClientRect().right <= limit + 1) return false;
  // A drawing or picture clips itself; what holds it may scroll.
  const drawn = e instanceof SVGElement || e instanceof HTMLImageElement;
  for (let p = drawn ? e.parentElement : e; p; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== "visible") return p === e && e.clientWidth > limit;
  return true;
}).map((e) => e.outerHTML.slice(0, 120))"""
COLOURS = """() => [getComputedStyle(document.body).backgroundColor,
  ...[...document.querySelectorAll(".bd-article :is(p, h1, label, legend, .explorer-play)")]
    .filter((e) => e.offsetParent && !e.closest(".equation-test, .admonition, .sd-card, .output"))
    .map((e) => getComputedStyle(e).color)]"""


def test_contrast_of_black_on_white() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)


def test_the_book_is_built() -> None:
    assert "book/index.html" in PAGES, "there is no built book; run `make book` first"


@EACH
def test_no_request_leaves_the_page(visit: chromium.Visit) -> None:
    """Over http this is seen where the page's load is measured."""
    schemes = {urlsplit(url).scheme for url in visit.requests}
    assert "file" in schemes
    assert schemes <= {"file", "data", "blob", "about"}
    assert visit.failures == []
    assert visit.errors == []


@pytest.mark.parametrize("phone_visit", PAGES, indirect=True)
def test_nothing_is_wider_than_a_phone(phone_visit: chromium.Visit) -> None:
    page = phone_visit.page
    assert page.evaluate(TOO_WIDE) == []
    widths = "() => [document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"
    width, limit = page.evaluate(widths)
    assert width <= limit <= chromium.PHONE["width"]


@EACH
@pytest.mark.parametrize("colours", ["dark", "light"])
def test_text_is_readable_in_both_colour_schemes(visit: chromium.Visit, colours: str) -> None:
    chromium.set_scheme(visit.page, colours)
    background, *texts = visit.page.evaluate(COLOURS)
    assert (luminance(background) < 0.2) == (colours == "dark")
    assert texts, "the page has no text"
    assert min(contrast(text, background) for text in texts) >= 4.5


@pytest.mark.parametrize("visit", ["book/index.html"], indirect=True)
def test_one_search_field_is_offered(visit: chromium.Visit) -> None:
    fields = visit.page.locator("input[type=search]:visible, .search-button-field:visible")
    assert fields.count() == 1


@pytest.mark.parametrize("phone_visit", chromium.book_pages(), indirect=True)
def test_a_wide_table_is_cards_on_a_phone_or_keeps_its_first_column(
    phone_visit: chromium.Visit,
) -> None:
    wide = phone_visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article table")]
      .map((t) => {
        let box = t.parentElement;
        while (box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX === "visible")
          box = box.parentElement;
        const limit = box.clientWidth + 1;
        box.scrollLeft = 60;
        const first = t.tBodies[0]?.rows[0]?.cells[0].getBoundingClientRect();
        const stays = first && Math.abs(first.left - box.getBoundingClientRect().left) < 4;
        box.scrollLeft = 0;
        return [t.offsetWidth > limit && !stays, t.textContent.slice(0, 60)];
      }).filter((t) => t[0])""")
    assert wide == []


@pytest.mark.parametrize("phone_visit", PAGES, indirect=True)
def test_no_word_in_a_table_is_broken_on_a_phone(phone_visit: chromium.Visit) -> None:
    """A column that gives way to the others would be one letter wide."""
    broken = phone_visit.page.evaluate(r"""() => {
      const found = [], range = document.createRange();
      for (const cell of document.querySelectorAll(".bd-article :is(td, th)")) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        for (let text; (text = texts.nextNode()); ) {
          if (text.parentElement.closest("code, mjx-container")) continue;
          for (const word of text.data.matchAll(/[\p{L}\d]+/gu)) {
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (word[0].length <= 14 && range.getClientRects().length > 1) found.push(word[0]);
          }
        }
      }
      return found;
    }""")
    assert broken == []


@EACH
def test_nothing_is_a_bright_slab_in_the_dark(visit: chromium.Visit) -> None:
    chromium.set_scheme(visit.page, "dark")
    grounds = visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article *")]
      .filter((e) => e.offsetWidth * e.offsetHeight > 5000)
      .filter((e) => !e.closest(".only-light, .explorer-choice, button, a"))  // what can be pressed
      .map((e) => [getComputedStyle(e).backgroundColor, e.outerHTML.slice(0, 80)])
      .filter(([colour]) => !/, 0\\)$/.test(colour))""")
    bright = [where for colour, where in grounds if luminance(colour) > 0.4]
    assert bright == []
