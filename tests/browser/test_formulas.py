"""Formulas in a reader's browser: no bar around them, no stop of the Tab key, no stroke cut off."""

import io
import re

import chromium
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

SOURCES = {
    name: (chromium.HTML / name).read_text(encoding="utf-8") for name in chromium.book_pages()
}
WITH_FORMULAS = [name for name, text in SOURCES.items() if re.search(r'class="math[ "]', text)]
WITH_TRANSPOSED = [name for name in WITH_FORMULAS if r"^\top" in SOURCES[name]]

# What of a formula has a scroll bar; a formula in a line of its own may have the one below it,
# where it is wider than the page.
SCROLL_BARS = """() => [...document.querySelectorAll(".math, .math *")].flatMap((e) => {
  const style = getComputedStyle(e);
  const scrolls = (overflow) => ["auto", "scroll"].includes(overflow);
  const beside = scrolls(style.overflowY) && e.scrollHeight > e.clientHeight && e.clientHeight;
  const below = scrolls(style.overflowX) && e.scrollWidth > e.clientWidth && e.clientWidth;
  const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  const wide = e.closest("div.math")
    && e.querySelector("mjx-math")?.offsetWidth > e.clientWidth - padding;
  if (!beside && (!below || wide)) return [];
  const what = `${e.closest(".math").textContent.slice(0, 40)} ${e.clientWidth}×${e.clientHeight}`;
  return [`${beside ? "beside" : "below"}: ${what}`];
})"""
TAB_STOPS = """() => [...document.querySelectorAll(".math, .math *")]
  .filter((e) => e.tabIndex >= 0 && !e.matches(".headerlink"))
  .map((e) => e.outerHTML.slice(0, 80))"""


EACH = pytest.mark.parametrize("visit", WITH_FORMULAS, indirect=True)


def test_some_pages_have_formulas_and_a_transpose() -> None:
    assert WITH_FORMULAS
    assert WITH_TRANSPOSED


@EACH
def test_every_formula_is_typeset_without_a_script(visit: chromium.Visit) -> None:
    page = visit.page
    n_formulas = page.locator(".math").count()
    assert n_formulas > 0
    assert page.locator(".math > mjx-container > mjx-math").count() == n_formulas
    assert page.locator(".math math annotation").count() == n_formulas
    faults = page.locator("mjx-merror, [data-mjx-error]")
    assert faults.all_text_contents() == []
    assert page.evaluate("() => window.MathJax === undefined")


@EACH
def test_no_formula_has_a_scroll_bar_that_it_does_not_need(visit: chromium.Visit) -> None:
    assert visit.page.evaluate(SCROLL_BARS) == []


@pytest.mark.parametrize("phone_visit", WITH_FORMULAS, indirect=True)
def test_no_formula_has_a_scroll_bar_that_it_does_not_need_on_a_phone(
    phone_visit: chromium.Visit,
) -> None:
    assert phone_visit.page.evaluate(SCROLL_BARS) == []


@EACH
def test_no_formula_is_a_stop_of_the_tab_key(visit: chromium.Visit) -> None:
    assert visit.page.evaluate(TAB_STOPS) == []


@EACH
def test_all_letters_of_formulas_are_drawn_with_their_fonts(visit: chromium.Visit) -> None:
    families = visit.page.evaluate(
        """async () => {
          await document.fonts.ready;
          return [...document.fonts].filter((f) => f.family.startsWith("MJX"))
            .map((f) => [f.family, f.status]);
        }"""
    )
    assert families, "the page has no font for formulas"
    assert [family for family in families if family[1] == "error"] == []
    assert ["MJX-TEX-N", "loaded"] in families


@pytest.mark.parametrize("visit", ["book/04_1_models.html"], indirect=True)
def test_a_formula_in_a_line_keeps_the_distance_of_lines(visit: chromium.Visit) -> None:
    plain, with_formula = visit.page.evaluate(
        """() => {
          const found = document.querySelector("p:has(> span.math)");
          const p = found.cloneNode(true);
          found.after(p);
          const formula = p.querySelector("span.math");
          p.replaceChildren("a", document.createElement("br"), "b");
          const plain = p.offsetHeight;
          p.querySelector("br").after(formula);
          const withFormula = p.offsetHeight;
          p.remove();
          return [plain, withFormula];
        }"""
    )
    assert with_formula <= plain + 2


def darkest_row(picture: bytes) -> float:
    """The largest share of a row's pixels that are dark."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), dtype=float)
    return float((grey < 170).mean(axis=1).max())


@pytest.mark.parametrize("visit", WITH_TRANSPOSED[:2], indirect=True)
def test_the_bar_of_a_transpose_is_drawn_at_every_position(visit: chromium.Visit) -> None:
    page = visit.page
    sign = page.locator("mjx-c.mjx-c22A4").first
    sign.scroll_into_view_if_needed()
    shares = []
    for eighths in range(8):
        sign.evaluate(
            """(e, y) => { const math = e.closest(".math");
              math.style.position = "relative"; math.style.top = `${y / 8}px`; }""",
            eighths,
        )
        box = sign.bounding_box()
        assert box is not None
        clip = {**box, "y": box["y"] - 3, "height": box["height"] + 6}
        shares.append(darkest_row(page.screenshot(clip=clip)))  # type: ignore[arg-type]
    sign.evaluate("(e) => e.closest('.math').removeAttribute('style')")
    assert min(shares) > 0.5, shares


@pytest.mark.parametrize("phone_visit", WITH_FORMULAS, indirect=True)
def test_on_a_phone_a_formula_is_shown_whole_in_letters_that_can_be_read(
    phone_visit: chromium.Visit,
) -> None:
    formulas = phone_visit.page.evaluate("""() =>
      [...document.querySelectorAll("div.math > mjx-container")].map((e) => ({
        whole: e.scrollWidth <= e.clientWidth + 1,
        letters: parseFloat(getComputedStyle(e).fontSize),
        tex: e.querySelector("annotation").textContent.slice(0, 60),
      }))""")
    assert [f["tex"] for f in formulas if not f["whole"]] == []
    assert min((f["letters"] for f in formulas), default=10) >= 10


def longest_line_at_the_sides(picture: bytes, n_dots: int) -> float:
    """The largest share of a column's dots that are no ground, at either side."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), dtype=float)
    sides = np.concatenate([grey[:, :n_dots], grey[:, -n_dots:]], axis=1)
    return float((sides < 252).mean(axis=0).max())


@pytest.mark.parametrize("scale", [2, 3])
def test_no_line_stands_beside_a_formula_on_a_phone(
    browser: Browser, addresses: dict[str, str], scale: int
) -> None:
    """One of the scroll shadow's edge would be read as the bar of an absolute value."""
    context = browser.new_context(
        viewport=chromium.PHONE, device_scale_factor=scale, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto(f"{addresses['file']}/book/02_1_concepts.html")
    chromium.wait_until_drawn(page)
    lines = []
    for formula in page.locator("div.math > mjx-container").all():
        formula.scroll_into_view_if_needed()
        box = formula.bounding_box()
        assert box is not None
        clip = {**box, "x": box["x"] - 3, "width": box["width"] + 6}
        lines.append(longest_line_at_the_sides(page.screenshot(clip=clip), 5 * scale))  # type: ignore[arg-type]
    context.close()
    assert lines
    assert max(lines) < 0.5, lines
