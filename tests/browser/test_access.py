"""The built book under a screen reader's rules, under a keyboard, and on a phone."""

from collections.abc import Iterator

import chromium
import pytest
from aigc_book import javascript
from playwright.sync_api import Browser, Page

from tests.colour_contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(180)]

PAGES = [*chromium.book_pages(), "search.html"]
# The words of code have a test of their own: axe would look at each of thousands, for minutes.
AXE = """async (rules) => {
  const page = {include: [["body"]], exclude: [[".highlight pre"]]};
  const found = await axe.run(page, {resultTypes: ["violations"], ...rules});
  return found.violations.map((v) => [v.id, ...v.nodes.slice(0, 5).map((n) => n.target.join(" "))]);
}"""
# What depends on the colour scheme.
COLOURS_ALONE = {"runOnly": ["color-contrast"]}
# Each colour of code, and the one that it stands on.
CODE_COLOURS = """() => {
  const ground = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return /, 0\\)$|transparent/.test(colour) ? ground(e.parentElement) : colour;
  };
  const pairs = [...document.querySelectorAll(".bd-article .highlight pre span")]
    .filter((e) => e.textContent.trim()).map((e) => getComputedStyle(e).color + "/" + ground(e));
  return [...new Set(pairs)].map((pair) => pair.split("/"));
}"""
WEIGHTS = """() => ["h1", "h2", "h3", "h4"]
  .map((name) => document.querySelector(".bd-article " + name)).filter((e) => e)
  .map((e) => getComputedStyle(e)).map((s) => [parseFloat(s.fontSize), Number(s.fontWeight)])"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script's text; it comes with npm, as the book's libraries do."""
    return (javascript.ensured(javascript.AXE) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_in_either_scheme(
    browser: Browser, addresses: dict[str, str], axe: str, name: str
) -> None:
    page = browser.new_page(viewport=chromium.WIDE)
    page.goto(f"{addresses['file']}/{name}")
    chromium.wait_until_drawn(page)
    page.evaluate(axe)
    found = {"light": page.evaluate(AXE, {})}
    chromium.set_scheme(page, "dark")
    page.wait_for_timeout(300)
    found["dark"] = page.evaluate(AXE, COLOURS_ALONE)
    page.close()
    assert found == {"light": [], "dark": []}


@pytest.mark.parametrize("name", ["book/03_2_2_ar_steps.html", "book/api/data.html"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_code_is_readable_in_both_schemes(
    browser: Browser, addresses: dict[str, str], name: str, colours: str
) -> None:
    page = browser.new_page()
    page.goto(f"{addresses['file']}/{name}")
    chromium.set_scheme(page, colours)
    pairs = page.evaluate(CODE_COLOURS)
    page.close()
    assert len(pairs) >= 5
    faint = [pair for pair in pairs if contrast(*pair) < 4.5]
    assert faint == []


@pytest.fixture
def page(
    browser: Browser, addresses: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    page = browser.new_page(viewport=request.param)
    page.goto(f"{addresses['file']}/book/03_2_2_ar_steps.html")
    chromium.wait_until_drawn(page)
    yield page
    page.close()


@pytest.mark.parametrize("page", [chromium.WIDE], indirect=True, ids=["wide"])
def test_the_first_stop_of_a_keyboard_leads_past_the_menu(page: Page) -> None:
    page.keyboard.press("Tab")
    link = page.locator("a:focus")
    assert link.text_content() == "Skip to main content"
    assert link.is_visible()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


@pytest.mark.parametrize("page", [chromium.WIDE], indirect=True, ids=["wide"])
def test_a_copy_button_is_seen_when_it_has_the_focus(page: Page) -> None:
    page.add_style_tag(content="* { transition: none !important; }")
    button = page.locator("button.copybtn:visible").first
    assert button.evaluate("(e) => getComputedStyle(e).opacity") == "0"
    page.keyboard.press("Tab")  # from here on the focus is a keyboard's
    button.focus()
    assert button.evaluate("(e) => getComputedStyle(e).opacity") == "1"


@pytest.mark.parametrize("name", ["05_4_results", "api/training"])
def test_the_menu_opens_at_the_page_that_is_shown(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    page = browser.new_page(viewport=chromium.PHONE)
    page.goto(f"{addresses['file']}/book/{name}.html")
    page.locator("button.primary-toggle").click()
    page.wait_for_timeout(500)
    here = page.locator("dialog[open] li.current.active:not(:has(li.current)) > a").bounding_box()
    page.close()
    assert here is not None
    height = chromium.PHONE["height"]
    assert height * 0.15 < here["y"] < height * 0.85


@pytest.mark.parametrize(
    "page", [chromium.WIDE, chromium.PHONE], indirect=True, ids=["wide", "phone"]
)
def test_no_heading_outweighs_the_one_above_it(page: Page) -> None:
    sizes, weights = zip(*page.evaluate(WEIGHTS), strict=True)
    assert len(sizes) >= 3
    assert list(sizes) == sorted(set(sizes), reverse=True)
    assert list(weights) == sorted(weights, reverse=True)


@pytest.mark.parametrize("page", [chromium.PHONE], indirect=True, ids=["phone"])
def test_what_scrolls_shows_it(page: Page) -> None:
    """Whatever is wider than its box has the shadows, and nothing opaque lies over them."""
    hidden = page.evaluate("""() => [...document.querySelectorAll(".bd-article *")].filter((e) => {
      const style = getComputedStyle(e);
      if (!/auto|scroll/.test(style.overflowX) || e.scrollWidth <= e.clientWidth + 1) return false;
      const inside = [...e.querySelectorAll("table, tr, td, th, pre")].some((c) => {
        const parts = getComputedStyle(c).backgroundColor.match(/[\\d.]+/g).map(Number);
        return (parts[3] ?? 1) > 0.5;
      });
      return inside || !style.backgroundImage.includes("gradient");
    }).map((e) => e.outerHTML.slice(0, 160))""")
    assert hidden == []


@pytest.mark.parametrize("page", [chromium.WIDE], indirect=True, ids=["wide"])
def test_comments_are_not_the_loudest_colour_of_code_in_the_dark(page: Page) -> None:
    chromium.set_scheme(page, "dark")
    channels = "(e) => getComputedStyle(e).color.match(/\\d+/g).map(Number)"
    comment = page.locator(".highlight .c1").first.evaluate(channels)
    assert max(comment) - min(comment) < 40, "a comment is grey, not yellow"
    assert min(comment) > 120, "and read without effort"


@pytest.mark.parametrize("page", [{"width": 700, "height": 990}], indirect=True, ids=["paper"])
def test_on_paper_nothing_is_cut_off_and_addresses_are_written_out(page: Page) -> None:
    page.emulate_media(media="print")
    page.wait_for_timeout(200)
    cut = page.evaluate("""() => [...document.querySelectorAll(".bd-article pre")]
      .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1)
      .map((e) => e.textContent.slice(0, 120))""")
    assert cut == []
    link = page.locator(".bd-article a.external:visible").first
    address = link.evaluate("(e) => getComputedStyle(e, '::after').content")
    assert (link.get_attribute("href") or "") in address
