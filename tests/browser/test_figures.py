"""Figures in a browser: of its forms a page loads the one that it shows, with large letters."""

import chromium
import pytest
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

WITH_FORMS = [
    name
    for name in chromium.book_pages()
    if "-phone.webp" in (chromium.HTML / name).read_text(encoding="utf-8")
][:1]
# Of every figure: the address that is shown, or "", and all addresses.
FIGURES = """async () => {
  const figures = [];
  for (const picture of document.querySelectorAll("picture.form")) {
    const image = picture.querySelector("img");
    const seen = image.getClientRects().length > 0;
    if (seen) { image.scrollIntoView(); await image.decode(); }
    const all = [...picture.children].map((e) => new URL(e.src || e.srcset, document.baseURI).href);
    figures.push({seen: seen ? image.currentSrc : "", all: all, letters: seen ?
      18.75 * image.clientWidth / image.naturalWidth : 10});
  }
  return figures;
}"""


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", WITH_FORMS)
def test_a_page_loads_the_form_that_it_shows(
    browser: Browser, addresses: dict[str, str], name: str, scheme: str, width: int
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{addresses['file']}/{name}")
    figures = page.evaluate(FIGURES)
    page.close()
    seen = {figure["seen"] for figure in figures} - {""}
    assert seen
    assert seen <= asked
    assert not ({address for figure in figures for address in figure["all"]} - seen) & asked
    assert min(figure["letters"] for figure in figures) >= 10  # of 9 points, at 150 dots an inch
    phones = [address for address in seen if "-phone" in address]
    assert bool(phones) == (width == 360)


@pytest.mark.parametrize("visit", chromium.book_pages(), indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_caption_is_seen(visit: chromium.Visit, scheme: str) -> None:
    chromium.set_scheme(visit.page, scheme)
    captions = "[...document.querySelectorAll('figure.captioned > figcaption')]"
    hidden = visit.page.evaluate(f"() => {captions}.filter((c) => !c.offsetHeight).length")
    assert hidden == 0


@pytest.mark.parametrize("phone_visit", chromium.book_pages(), indirect=True)
def test_no_picture_is_stretched_on_a_phone(phone_visit: chromium.Visit) -> None:
    """A size in the page, and a width that gives way, would leave the height as it was."""
    chromium.load_pictures(phone_visit.page)
    stretched = phone_visit.page.evaluate("""() => {
      const found = [];
      for (const image of document.querySelectorAll(".bd-article img")) {
        if (!image.getClientRects().length) continue;
        const style = getComputedStyle(image);
        const sum = (...sides) => sides.reduce((n, side) => n + parseFloat(style[side]), 0);
        const width = image.clientWidth - sum("paddingLeft", "paddingRight");
        const height = image.clientHeight - sum("paddingTop", "paddingBottom");
        const wanted = width * image.naturalHeight / image.naturalWidth;
        if (Math.abs(height - wanted) > Math.max(2, 0.03 * wanted))
          found.push([image.currentSrc.split("/").pop(), width, height]);
      }
      return found;
    }""")
    assert stretched == []
