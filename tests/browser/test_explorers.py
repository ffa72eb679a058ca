"""Explorers and films in a reader's browser: they move, say what they do, and wait until asked."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import chromium
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

SOURCES = {
    name: (chromium.HTML / name).read_text(encoding="utf-8") for name in chromium.book_pages()
}
# What a notebook calls an explorer, however the page was built.
WITH_EXPLORERS = [
    name
    for name, text in SOURCES.items()
    if re.search(r'class="explorer"|jupyter\.widget-view\+json', text)
]
WITH_FILMS = [name for name in WITH_EXPLORERS if "_images/explorer-" in SOURCES[name]]
BY_ITSELF = [name for name in WITH_FILMS if "data-autoplay" in SOURCES[name]]
# What is seen of an explorer besides its controls.
SEEN = """(explorer) => JSON.stringify([...explorer.querySelectorAll(".explorer-view")]
  .filter((view) => view.offsetParent !== null && !view.querySelector(".explorer-view"))
  .map((view) => view.innerHTML))"""
# Whether each state of an explorer is seen as its slider says.
SHOWS_ITS_STATE = """(explorer) => [...explorer.querySelectorAll("input[type=range]")]
  .every((range) => [...explorer.querySelectorAll(".explorer-views")]
    .filter((views) => views.dataset.state === range.dataset.state)
    .every((views) => !views.children[range.valueAsNumber].hidden))"""
PICTURES = re.compile(r"/_images/explorer-")


@contextmanager
def opened(
    browser: Browser, address: str, **settings: Any
) -> Iterator[tuple[Page, chromium.Visit]]:
    context = browser.new_context(**{"viewport": chromium.WIDE, **settings})
    page = context.new_page()
    visit = chromium.watch(page)
    page.goto(address)
    chromium.wait_until_drawn(page)
    yield page, visit
    assert visit.errors == []
    context.close()


def explorers(page: Page) -> list[Locator]:
    found = page.locator("figure.explorer").all()
    assert found, "the page shows no explorer"
    return found


def changes(explorer: Locator, before: str, milliseconds: float = 5000) -> bool:
    """Whether something else is seen of an explorer than before, within a time."""
    changed = f"([e, before]) => ({SEEN})(e) !== before"
    try:
        explorer.page.wait_for_function(
            changed, arg=[explorer.element_handle(), before], timeout=milliseconds
        )
    except PlaywrightTimeoutError:
        return False
    return True


def press_until(explorer: Locator, slider: Locator, key: str) -> None:
    """Press a key on a slider until what is seen is another picture, three times at most."""
    before = explorer.evaluate(SEEN)
    slider.focus()
    for _ in range(3):
        slider.press(key)
        if changes(explorer, before, milliseconds=500):
            return
    raise AssertionError(f"this slider changes nothing: {explorer.get_attribute('aria-label')}")


def try_every_control(page: Page) -> None:
    for explorer in explorers(page):
        explorer.scroll_into_view_if_needed()
        controls = explorer.locator("input[type=range]:visible, fieldset:visible").all()
        assert controls, "the explorer has no control"
        for control in controls:
            if control.evaluate("(e) => e.localName") == "fieldset":
                before = explorer.evaluate(SEEN)
                control.locator("input:not(:checked)").last.check()
                assert changes(explorer, before)
                continue
            at_end = control.evaluate("(e) => e.value === e.max")
            press_until(explorer, control, "ArrowLeft" if at_end else "ArrowRight")
            spoken = control.get_attribute("aria-valuetext")
            read = control.locator("xpath=following-sibling::*[1]").text_content()
            assert spoken == read != ""


@pytest.mark.parametrize("visit", WITH_EXPLORERS, indirect=True)
def test_every_control_changes_what_is_seen(visit: chromium.Visit) -> None:
    try_every_control(visit.page)
    assert visit.failures == []


@pytest.mark.parametrize("name", WITH_EXPLORERS)
def test_over_http_frames_are_loaded_when_the_reader_comes_and_every_control_works(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    settings: dict[str, Any] = {"reduced_motion": "reduce"}  # nothing plays by itself
    with opened(browser, f"{addresses['http']}/{name}", **settings) as (page, visit):
        if name in WITH_FILMS:
            shown = explorers(page)
            for explorer in shown:
                explorer.scroll_into_view_if_needed()
            page.mouse.move(0, 0)
            page.wait_for_timeout(300)
            assert len(set(filter(PICTURES.search, visit.requests))) <= len(shown)
            film = page.locator("figure.explorer:has(img)").first
            n_frames = film.locator(".explorer-view").count()
            film.locator("input:visible").first.focus()
            page.wait_for_load_state("networkidle")
            assert len(set(filter(PICTURES.search, visit.requests))) > n_frames // 2
        try_every_control(page)
        assert visit.failures == []


@pytest.mark.parametrize("phone_visit", WITH_EXPLORERS, indirect=True)
def test_every_control_has_a_name_and_room_for_a_finger(phone_visit: chromium.Visit) -> None:
    for explorer in explorers(phone_visit.page):
        for role in ("button", "slider", "radio", "group"):
            for control in explorer.get_by_role(role).all():  # type: ignore[arg-type]
                if not control.is_visible():
                    continue
                box = control.bounding_box()
                assert box is not None
                assert min(box["width"], box["height"]) >= 24
                assert re.match(rf"- '?{role} \"[^\"]+\"", control.aria_snapshot())


def check_that_films_play_and_pause(page: Page) -> None:
    """Play each film and pause it; at the end, all of them still show where they stopped."""
    stopped: list[tuple[Locator, str]] = []
    for explorer in explorers(page):
        play = explorer.get_by_role("button", name="Play")
        if play.count() == 0:
            continue
        before = explorer.evaluate(SEEN)
        play.focus()
        page.keyboard.press("Space")
        pause = explorer.get_by_role("button", name="Pause")
        expect(pause).to_be_focused()
        assert changes(explorer, before)
        page.keyboard.press("Enter")
        expect(play).to_be_focused()
        page.wait_for_timeout(100)
        stopped.append((explorer, explorer.evaluate(SEEN)))
    page.wait_for_timeout(900)
    for explorer, seen in stopped:
        assert explorer.evaluate(SEEN) == seen, "it was paused"


@pytest.mark.parametrize("phone_visit", WITH_FILMS, indirect=True)
def test_a_film_plays_and_pauses(phone_visit: chromium.Visit) -> None:
    phone_visit.page.emulate_media(reduced_motion="no-preference")
    check_that_films_play_and_pause(phone_visit.page)


@pytest.mark.parametrize("name", BY_ITSELF)
def test_a_film_that_plays_by_itself_can_be_paused(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    with opened(browser, f"{addresses['file']}/{name}", viewport=chromium.PHONE) as (page, _):
        for explorer in page.locator("figure.explorer[data-autoplay]").all():
            before = explorer.evaluate(SEEN)
            explorer.scroll_into_view_if_needed()
            assert changes(explorer, before)
            explorer.get_by_role("button", name="Pause").click()
        check_that_films_play_and_pause(page)


@pytest.mark.parametrize("phone_visit", WITH_EXPLORERS, indirect=True)
def test_nothing_on_the_page_jumps(phone_visit: chromium.Visit) -> None:
    for explorer in explorers(phone_visit.page):
        explorer.scroll_into_view_if_needed()
        height = explorer.evaluate("(e) => e.offsetHeight")
        slider = explorer.locator("input[type=range]:visible").first
        slider.focus()
        heights = set()
        for key in ("Home", "ArrowRight", "ArrowRight", "End", "ArrowLeft"):
            slider.press(key)
            phone_visit.page.wait_for_function(SHOWS_ITS_STATE, arg=explorer.element_handle())
            heights.add(explorer.evaluate("(e) => e.offsetHeight"))
        assert heights == {height}, explorer.get_attribute("aria-label")


@pytest.mark.parametrize("visit", WITH_FILMS, indirect=True)
def test_with_reduced_motion_a_press_is_a_step(visit: chromium.Visit) -> None:
    page = visit.page
    stepped: list[tuple[Locator, int]] = []
    for explorer in explorers(page):
        explorer.scroll_into_view_if_needed()
        before = explorer.evaluate(SEEN)
        if explorer.get_attribute("data-autoplay") is not None:
            assert not changes(explorer, before, milliseconds=600), "it moved by itself"
        button = explorer.get_by_role("button")
        if button.count() == 0:
            continue
        expect(button).to_have_text("Next")
        slider = explorer.get_by_role("slider").first
        slider.press("Home")
        value = int(slider.input_value())
        button.click()
        stepped.append((slider, value))
    page.wait_for_timeout(600)
    for slider, value in stepped:
        assert int(slider.input_value()) == value + 1


@pytest.fixture(scope="module")
def without_javascript(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(java_script_enabled=False, viewport=chromium.WIDE)
    yield page
    page.close()


@pytest.mark.parametrize("name", WITH_EXPLORERS)
def test_without_javascript_a_picture_and_a_sentence_remain(
    without_javascript: Page, addresses: dict[str, str], name: str
) -> None:
    without_javascript.goto(f"{addresses['file']}/{name}")
    for explorer in explorers(without_javascript):
        expect(explorer.locator("figcaption")).to_be_visible()
        expect(explorer.locator("figcaption")).to_contain_text("One of")
        assert explorer.locator("button:visible, input:visible, legend:visible").count() == 0
        seen = explorer.locator(".explorer-view:not([hidden]) > :visible")
        assert seen.count() > 0, "no view is seen"


@pytest.mark.parametrize("visit", WITH_EXPLORERS, indirect=True)
def test_on_paper_a_picture_and_a_sentence_remain(visit: chromium.Visit) -> None:
    visit.page.emulate_media(media="print")
    for explorer in explorers(visit.page):
        expect(explorer.locator("figcaption")).to_be_visible()
        assert explorer.locator("button:visible, input:visible, legend:visible").count() == 0


@pytest.mark.parametrize("visit", WITH_FILMS, indirect=True)
def test_in_the_dark_an_explorer_is_no_bright_slab(visit: chromium.Visit) -> None:
    chromium.set_scheme(visit.page, "dark")
    for explorer in explorers(visit.page):
        explorer.scroll_into_view_if_needed()
        with Image.open(io.BytesIO(explorer.screenshot())) as picture:
            brightness = float(np.median(np.asarray(picture.convert("L"))))
        assert brightness < 100, explorer.get_attribute("aria-label")
