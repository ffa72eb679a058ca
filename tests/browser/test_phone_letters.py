"""On a phone the letters of films and figures can be read, and no figure has to be swiped."""

import re

import chromium
import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

SOURCES = {
    name: (chromium.HTML / name).read_text(encoding="utf-8") for name in chromium.book_pages()
}
WITH_FILMS = [name for name, text in SOURCES.items() if "_images/explorer-" in text]
WITH_FIGURES = [name for name, text in SOURCES.items() if '<picture class="form' in text]
NARROW = (360, 390)
SMALLEST = 10
# Of every film that is a figure, not a picture of digits: its name, whether what is shown is the
# form for a phone, and the height of its smallest letters, of 9 points at 150 dots an inch; a wide
# frame has 110. `make pictures` draws films without letters.
LETTERS = """async () => {
  const films = [];
  for (const explorer of document.querySelectorAll("figure.explorer")) {
    const images = [...explorer.querySelectorAll(".explorer-view:not([hidden]) img")]
      .filter((image) => image.getClientRects().length && !image.matches(".explorer-ink"));
    for (const image of images) {
      image.scrollIntoView();
      await image.decode();
      const narrow = image.currentSrc !== image.src;
      if (!image.src.endsWith(".webp")) continue;
      const dots = (narrow ? 150 : 110) / 72;
      films.push({name: explorer.getAttribute("aria-label"), narrow,
                  letters: 9 * dots * image.clientWidth / image.naturalWidth,
                  cut: image.getBoundingClientRect().right > innerWidth});
    }
  }
  return films;
}"""
SWIPED = """() => [...document.querySelectorAll("figure.captioned picture.form")]
  .filter((picture) => picture.scrollWidth > picture.clientWidth + 1)
  .map((picture) => picture.closest("figure").id)"""


def films_with_letters(page: Page) -> list[dict[str, object]]:
    found: list[dict[str, object]] = page.evaluate(LETTERS)
    return found


@pytest.mark.parametrize("phone_visit", WITH_FILMS, indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_letters_of_every_film_can_be_read_on_a_phone(
    phone_visit: chromium.Visit, scheme: str
) -> None:
    page = phone_visit.page
    chromium.set_scheme(page, scheme)
    for width in NARROW:
        page.set_viewport_size({"width": width, "height": 800})
        films = films_with_letters(page)
        assert [film for film in films if film["letters"] < SMALLEST or film["cut"]] == []  # type: ignore[operator]


def test_films_with_letters_are_found() -> None:
    """Eight films are figures; those of digits have no letters."""
    frames = re.compile(r'<source srcset="[^"]*_images/explorer-[^"]*"')
    assert sum(bool(frames.search(SOURCES[name])) for name in WITH_FILMS) >= 6


@pytest.mark.parametrize("visit", WITH_FILMS, indirect=True)
def test_on_a_wide_page_a_film_is_wide(visit: chromium.Visit) -> None:
    assert not any(film["narrow"] for film in films_with_letters(visit.page))


@pytest.mark.parametrize("phone_visit", WITH_FIGURES, indirect=True)
def test_no_figure_has_to_be_swiped(phone_visit: chromium.Visit) -> None:
    for width in NARROW:
        phone_visit.page.set_viewport_size({"width": width, "height": 800})
        assert phone_visit.page.evaluate(SWIPED) == []
