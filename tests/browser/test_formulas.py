"""Formulas in a reader's browser: no bar around them, no stop of the Tab key, no stroke cut off."""

import io
import re
from collections.abc import Iterator

import chromium
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

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
  const what = `${e.closest(".math").textContent.slice(0, 40)} ${e.clientWidth}×${e.clientHeight}`;
  return beside || (below && !wide) ? [`${beside ? "beside" : "below"}: ${what}`] : [];
})"""
TAB_STOPS = """() => [...document.querySelectorAll(".math, .math *")]
  .filter((e) => e.tabIndex >= 0 && !e.matches(".headerlink"))
  .map((e) => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def with_scroll_bars(browser: Browser) -> Iterator[Browser]:
    """A Chromium that shows scroll bars, as most readers' do; without a window it hides them."""
    executable = chromium.find_chromium()
    running = browser.browser_type.launch(
        executable_path=executable,
        args=list(chromium.FLAGS),
        ignore_default_args=["--hide-scrollbars"],
    )
    yield running
    running.close()


@pytest.fixture(scope="module", params=WITH_FORMULAS)
def page(
    request: pytest.FixtureRequest, with_scroll_bars: Browser, addresses: dict[str, str]
) -> Iterator[Page]:
    """A page with formulas, in a browser with scroll bars."""
    page = with_scroll_bars.new_page(viewport=chromium.WIDE)
    page.goto(f"{addresses['file']}/{request.param}")
    chromium.wait_until_drawn(page)
    yield page
    page.close()


def test_every_formula_is_typeset_without_a_script(page: Page) -> None:
    n_formulas = page.locator(".math").count()
    assert n_formulas > 0
    assert page.locator(".math > mjx-container > mjx-math").count() == n_formulas
    assert page.locator(".math math annotation").count() == n_formulas
    assert page.evaluate("() => window.MathJax === undefined")


@pytest.mark.parametrize("size", [chromium.WIDE, chromium.PHONE], ids=["wide", "phone"])
def test_no_formula_has_a_scroll_bar_that_it_does_not_need(
    page: Page, size: dict[str, int]
) -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type]
    assert page.evaluate(SCROLL_BARS) == []


def test_no_formula_is_a_stop_of_the_tab_key(page: Page) -> None:
    assert page.evaluate(TAB_STOPS) == []


def test_all_letters_of_formulas_are_drawn_with_their_fonts(page: Page) -> None:
    families = page.evaluate(
        """async () => {
          await document.fonts.ready;
          return [...document.fonts].filter((f) => f.family.startsWith("MJX"))
            .map((f) => [f.family, f.status]);
        }"""
    )
    assert families, "the page has no font for formulas"
    assert [family for family in families if family[1] == "error"] == []
    assert ["MJX-TEX-N", "loaded"] in families


def test_a_formula_in_a_line_keeps_the_distance_of_lines(
    with_scroll_bars: Browser, addresses: dict[str, str]
) -> None:
    page = with_scroll_bars.new_page(viewport=chromium.WIDE)
    page.goto(f"{addresses['file']}/book/04_1_models.html")
    plain, with_formula = page.evaluate(
        """() => {
          const p = document.querySelector("p:has(> span.math)");
          const formula = p.querySelector("span.math");
          p.replaceChildren("a", document.createElement("br"), "b");
          const plain = p.offsetHeight;
          p.querySelector("br").after(formula);
          return [plain, p.offsetHeight];
        }"""
    )
    page.close()
    assert with_formula <= plain + 2


def darkest_row(picture: bytes) -> float:
    """The largest share of a row's pixels that are dark."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), dtype=float)
    return float((grey < 170).mean(axis=1).max())


@pytest.mark.parametrize("name", WITH_TRANSPOSED[:2])
def test_the_bar_of_a_transpose_is_drawn_at_every_position(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    page = browser.new_page(viewport=chromium.WIDE)
    page.goto(f"{addresses['file']}/{name}")
    chromium.wait_until_drawn(page)
    chromium.set_scheme(page, "light")
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
    page.close()
    assert min(shares) > 0.5, shares


def test_a_page_has_a_transpose() -> None:
    assert WITH_TRANSPOSED
