"""What Mermaid says of the document's diagrams and of ours, and how ours are seen."""

import re
from collections.abc import Iterator

import chromium
import draw_diagrams
import pytest
from aigc_book import javascript, mermaid
from playwright.sync_api import Browser, Page

from aigc_tutorial.pages.concepts import CONCEPTS, PIPELINE, ConceptMap
from tests.colour_contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

PARSE = """async (source) => {
  try { await mermaid.parse(source); return ""; } catch (error) { return error.message; }
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """An empty page with Mermaid."""
    page = browser.new_page()
    page.goto("about:blank")
    page.add_script_tag(path=javascript.ensured(javascript.MERMAID) / "mermaid.min.js")
    yield page
    page.close()


@pytest.mark.parametrize(
    "line", ["A[生成对抗网络 (GAN)] --> B[自回归 (AR) 模型]", "D --> I[生成对抗网络 (GAN)]"]
)
def test_the_documents_lines_do_not_parse_until_they_are_quoted(page: Page, line: str) -> None:
    assert "got 'PS'" in page.evaluate(PARSE, f"graph TB\n  {line}")  # an opening bracket
    quoted = line.replace("[", '["').replace("]", '"]')
    assert page.evaluate(PARSE, f"graph TB\n  {quoted}") == ""


@pytest.mark.parametrize("diagram", [CONCEPTS, PIPELINE], ids=["concepts", "pipeline"])
def test_our_diagrams_parse(page: Page, diagram: ConceptMap) -> None:
    assert page.evaluate(PARSE, diagram.mermaid()) == ""
    assert page.evaluate(PARSE, f'---\nalt: "{diagram.alt}"\n---\n{diagram.mermaid()}') == ""


@pytest.mark.parametrize("code", sorted(set(draw_diagrams.diagrams())))
def test_the_committed_drawing_is_what_mermaid_lays_out(page: Page, code: str) -> None:
    """Fonts differ between machines, and with them lengths; words, boxes and arrows do not."""

    def without_lengths(svg: str) -> list[str]:
        return re.findall(r"<(\w+)[ />]|>([^<]+)<", svg)

    drawn = mermaid.drawing_of(code).read_text(encoding="utf-8")
    assert without_lengths(drawn) == without_lengths(draw_diagrams.drawn(page, code))


@pytest.mark.parametrize("code", sorted(set(draw_diagrams.diagrams())))
def test_no_drawing_is_wider_than_the_narrowest_phone(code: str) -> None:
    """At 360 pixels too, with letters of 10."""
    drawings = mermaid.drawing_of(code).read_text(encoding="utf-8")
    (width,) = re.findall(r'class="narrow" viewBox="\S+ \S+ (\S+) ', drawings)
    assert float(width) <= draw_diagrams.FITS


@pytest.mark.parametrize("code", sorted(set(draw_diagrams.diagrams())))
def test_on_a_phone_a_diagram_says_the_same_and_breaks_no_word(code: str) -> None:
    """Names of variables are broken, which are longer than any word."""
    wide, narrow = (
        re.findall(r"<text[^>]*>([^<]*)<", svg)
        for svg in mermaid.drawing_of(code).read_text(encoding="utf-8").split("<svg ")[1:]
    )
    framed = re.findall(r'subgraph \w+ ?\["(.*)"\]', code) if "%% phone" in code else []
    titles = {word for title in framed for word in title.split()}
    words, seen = (set(" ".join(texts).split()) for texts in (wide, narrow))
    assert {word for word in words - titles if len(word) <= 16} <= seen


WITH_DIAGRAMS = [
    name
    for name in chromium.book_pages()
    if 'class="diagram"' in (chromium.HTML / name).read_text(encoding="utf-8")
]
# Sizes of letters as they are seen, of the drawing that is seen.
SIZES = """() => [...document.querySelectorAll(".diagram svg")]
  .filter((svg) => svg.getBoundingClientRect().width > 0)
  .map((svg) => [14 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
                 svg.getBoundingClientRect().width / svg.parentElement.clientWidth])"""
COLOURS = """() => [...document.querySelectorAll(".diagram text")].map((text) => {
  const shape = text.parentElement.querySelector("rect, polygon");
  return [getComputedStyle(text).fill, getComputedStyle(shape).fill];
})"""


def test_there_are_pages_with_diagrams() -> None:
    assert len(WITH_DIAGRAMS) >= 10


def check_that_diagrams_can_be_read(page: Page) -> list[float]:
    """Check letters and colours; return each diagram's share of the width that it has."""
    sizes = page.evaluate(SIZES)
    assert len(sizes) == page.locator(".diagram").count()
    assert all(letters >= 9.9 for letters, _ in sizes), sizes
    for scheme in ("light", "dark"):
        chromium.set_scheme(page, scheme)
        pairs = page.evaluate(COLOURS)
        assert pairs
        assert all(contrast(*pair) >= 4.5 for pair in pairs), pairs
    return [share for _, share in sizes]


@pytest.mark.parametrize("visit", WITH_DIAGRAMS, indirect=True)
def test_diagrams_fit_and_can_be_read_in_both_schemes(visit: chromium.Visit) -> None:
    shares = check_that_diagrams_can_be_read(visit.page)
    assert all(share <= 1.001 for share in shares), shares


@pytest.mark.parametrize("phone_visit", WITH_DIAGRAMS, indirect=True)
def test_diagrams_can_be_read_on_a_phone_in_both_schemes(phone_visit: chromium.Visit) -> None:
    shares = check_that_diagrams_can_be_read(phone_visit.page)
    assert all(share <= 1.001 for share in shares), shares


def test_a_diagram_needs_no_script(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=chromium.PHONE)
    page = context.new_page()
    page.goto((chromium.HTML / WITH_DIAGRAMS[0]).as_uri())
    assert page.locator(".diagram svg:visible").count() == page.locator(".diagram").count() > 0
    context.close()
