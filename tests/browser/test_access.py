"""The built book under a screen reader's rules, under a keyboard, and on a phone."""

from collections.abc import Iterator

import chromium
import pytest
from aigc_book import javascript
from playwright.sync_api import Browser, Page, expect

from tests.colour_contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(180)]

PAGES = [*chromium.book_pages(), "search.html"]
LONGEST = "book/03_2_2_ar_steps.html"
WITH_FORMULAS = [
    name
    for name in chromium.book_pages()
    if "<mjx-math" in (chromium.HTML / name).read_text(encoding="utf-8")
]
# The words of code and the letters of formulas have tests of their own. Axe would look at each of
# thousands, for minutes, also where it is told to leave them out; so they leave the page meanwhile.
AXE = """async (rules) => {
  const boxes = [...document.querySelectorAll(".highlight pre, mjx-math")];
  const contents = boxes.map((box) => [...box.childNodes]);
  boxes.forEach((box) => box.replaceChildren());
  const page = {include: [["body"]], exclude: [[".highlight pre"], ["mjx-math"]]};
  const found = await axe.run(page, {resultTypes: ["violations"], preload: false, ...rules});
  boxes.forEach((box, i) => box.replaceChildren(...contents[i]));
  return found.violations.map((v) => [v.id, ...v.nodes.slice(0, 5).map((n) => n.target.join(" "))]);
}"""
# The theme makes what scrolls a tab stop, and what does not none, 300 ms after the page is there.
HAS_TAB_STOPS = """() => [...document.querySelectorAll(".pst-scrollable-table-container")]
  .every((table) => table.hasAttribute("tabindex"))"""
# What depends on the colour scheme.
COLOURS_ALONE = {"runOnly": ["color-contrast"]}
CODE, LETTERS = ".bd-article .highlight pre span", "mjx-math mjx-c"
# Each colour of some elements' text, and the one that it stands on.
COLOURS = """(selector) => {
  const grounds = new Map();
  const ground = (e) => {
    if (!grounds.has(e)) {
      const colour = getComputedStyle(e).backgroundColor;
      const [red, green, blue, opacity = 1] = colour.match(/[\\d.]+/g).map(Number);
      const below = opacity < 1 ? ground(e.parentElement) : [0, 0, 0];
      const mixed = (c, i) => Math.round(opacity * c + (1 - opacity) * below[i]);
      grounds.set(e, [red, green, blue].map(mixed));
    }
    return grounds.get(e);
  };
  const pairs = [...document.querySelectorAll(selector)].filter((e) => e.textContent.trim())
    .map((e) => `${getComputedStyle(e).color}/rgb(${ground(e)})`);
  return [...new Set(pairs)].map((pair) => pair.split("/"));
}"""
WEIGHTS = """() => ["h1", "h2", "h3", "h4"]
  .map((name) => document.querySelector(".bd-article " + name)).filter((e) => e)
  .map((e) => getComputedStyle(e)).map((s) => [parseFloat(s.fontSize), Number(s.fontWeight)])"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script's text; it comes with npm, as the book's libraries do."""
    return (javascript.ensured(javascript.AXE) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("visit", PAGES, indirect=True)
def test_axe_finds_nothing_in_either_scheme(visit: chromium.Visit, axe: str) -> None:
    page = visit.page
    page.wait_for_function(HAS_TAB_STOPS)
    page.evaluate(axe)
    found = {"light": page.evaluate(AXE, {})}
    chromium.set_scheme(page, "dark")
    found["dark"] = page.evaluate(AXE, COLOURS_ALONE)
    assert found == {"light": [], "dark": []}


@pytest.mark.parametrize("visit", [LONGEST, "book/api/data.html"], indirect=True)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_code_is_readable_in_both_schemes(visit: chromium.Visit, colours: str) -> None:
    chromium.set_scheme(visit.page, colours)
    pairs = visit.page.evaluate(COLOURS, CODE)
    assert len(pairs) >= 5
    faint = [pair for pair in pairs if contrast(*pair) < 4.5]
    assert faint == []


@pytest.mark.parametrize("visit", [LONGEST], indirect=True)
def test_with_reduced_motion_colours_change_at_once(visit: chromium.Visit) -> None:
    n_moving = visit.page.evaluate("""() => {
      document.documentElement.dataset.theme = "dark";
      return document.getAnimations().length;
    }""")
    assert n_moving == 0


@pytest.mark.parametrize("visit", WITH_FORMULAS, indirect=True)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_letters_of_formulas_are_readable_in_both_schemes(
    visit: chromium.Visit, colours: str
) -> None:
    chromium.set_scheme(visit.page, colours)
    pairs = visit.page.evaluate(COLOURS, LETTERS)
    assert pairs
    faint = [pair for pair in pairs if contrast(*pair) < 4.5]
    assert faint == []


@pytest.fixture
def page(browser: Browser, addresses: dict[str, str]) -> Iterator[Page]:
    """A page that nobody touched: the keyboard begins at its first stop."""
    page = browser.new_page(viewport=chromium.WIDE)
    page.goto(f"{addresses['file']}/book/03_1_overview.html")
    chromium.wait_until_drawn(page)
    yield page
    page.close()


def test_the_first_stop_of_a_keyboard_leads_past_the_menu(page: Page) -> None:
    page.keyboard.press("Tab")
    link = page.locator("a:focus")
    assert link.text_content() == "Skip to main content"
    assert link.is_visible()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


def test_a_copy_button_is_seen_when_it_has_the_focus(page: Page) -> None:
    page.add_style_tag(content="* { transition: none !important; }")
    button = page.locator("button.copybtn:visible").first
    assert button.evaluate("(e) => getComputedStyle(e).opacity") == "0"
    page.keyboard.press("Tab")  # from here on the focus is a keyboard's
    button.focus()
    assert button.evaluate("(e) => getComputedStyle(e).opacity") == "1"


@pytest.mark.parametrize(
    "phone_visit", ["book/05_4_results.html", "book/api/training.html"], indirect=True
)
def test_the_menu_opens_at_the_page_that_is_shown(phone_visit: chromium.Visit) -> None:
    page = phone_visit.page
    page.locator("button.primary-toggle").click()
    chromium.wait_until_settled(page)
    here = page.locator("dialog[open] li.current.active:not(:has(li.current)) > a").bounding_box()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert here is not None
    height = chromium.PHONE["height"]
    assert height * 0.15 < here["y"] < height * 0.85


def check_headings(page: Page) -> None:
    sizes, weights = zip(*page.evaluate(WEIGHTS), strict=True)
    assert len(sizes) >= 3
    assert list(sizes) == sorted(set(sizes), reverse=True)
    assert list(weights) == sorted(weights, reverse=True)


@pytest.mark.parametrize("visit", [LONGEST], indirect=True)
def test_no_heading_outweighs_the_one_above_it(visit: chromium.Visit) -> None:
    check_headings(visit.page)


@pytest.mark.parametrize("phone_visit", [LONGEST], indirect=True)
def test_no_heading_outweighs_the_one_above_it_on_a_phone(phone_visit: chromium.Visit) -> None:
    check_headings(phone_visit.page)


@pytest.mark.parametrize("phone_visit", [LONGEST], indirect=True)
def test_what_scrolls_shows_it(phone_visit: chromium.Visit) -> None:
    """Whatever is wider than its box has the shadows, and nothing opaque lies over them."""
    page = phone_visit.page
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


@pytest.mark.parametrize("visit", [LONGEST], indirect=True)
def test_comments_are_not_the_loudest_colour_of_code_in_the_dark(visit: chromium.Visit) -> None:
    page = visit.page
    chromium.set_scheme(page, "dark")
    channels = "(e) => getComputedStyle(e).color.match(/\\d+/g).map(Number)"
    comment = page.locator(".highlight .c1").first.evaluate(channels)
    assert max(comment) - min(comment) < 40, "a comment is grey, not yellow"
    assert min(comment) > 120, "and read without effort"


@pytest.mark.parametrize("visit", [LONGEST], indirect=True)
def test_on_paper_nothing_is_cut_off_and_addresses_are_written_out(visit: chromium.Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 700, "height": 990})
    page.emulate_media(media="print")
    chromium.wait_until_settled(page)
    cut = page.evaluate("""() => [...document.querySelectorAll(".bd-article pre")]
      .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1)
      .map((e) => e.textContent.slice(0, 120))""")
    assert cut == []
    lost = page.evaluate("""() => [...document.querySelectorAll(".bd-article details")]
      .filter((e) => e.scrollHeight < 1.5 * e.querySelector("summary").offsetHeight)
      .map((e) => e.textContent.slice(0, 60))""")
    assert lost == []  # paper cannot be pressed
    link = page.locator(".bd-article a.external:visible").first
    address = link.evaluate("(e) => getComputedStyle(e, '::after').content")
    assert (link.get_attribute("href") or "") in address
