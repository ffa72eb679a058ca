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
EACH = pytest.mark.parametrize("name", WITH_EXPLORERS)
BY_EACH_WAY = pytest.mark.parametrize("scheme", ["file", "http"])
# What is seen of an explorer besides its controls.
SEEN = """(explorer) => JSON.stringify([...explorer.querySelectorAll(".explorer-view")]
  .filter((view) => view.offsetParent !== null && !view.querySelector(".explorer-view"))
  .map((view) => view.innerHTML))"""
PICTURES = re.compile(r"/_images/explorer-")


@contextmanager
def opened(
    browser: Browser, address: str, **settings: Any
) -> Iterator[tuple[Page, chromium.Visit]]:
    context = browser.new_context(**{"viewport": chromium.WIDE, **settings})
    page = context.new_page()
    visit = chromium.watch(page)
    page.goto(address)
    if settings.get("java_script_enabled", True):
        chromium.wait_until_drawn(page)
    yield page, visit
    assert visit.errors == []
    context.close()


def explorers(page: Page) -> list[Locator]:
    found = page.locator("figure.explorer").all()
    assert found, "the page shows no explorer"
    return found


def press_until(explorer: Locator, slider: Locator, key: str) -> None:
    """Press a key on a slider until what is seen is another picture, three times at most."""
    before = explorer.evaluate(SEEN)
    slider.focus()
    for _ in range(3):
        slider.press(key)
        slider.page.wait_for_timeout(150)
        if explorer.evaluate(SEEN) != before:
            return
    raise AssertionError(f"this slider changes nothing: {explorer.get_attribute('aria-label')}")


@EACH
@BY_EACH_WAY
def test_every_control_changes_what_is_seen(
    browser: Browser, addresses: dict[str, str], scheme: str, name: str
) -> None:
    with opened(browser, f"{addresses[scheme]}/{name}") as (page, visit):
        for explorer in explorers(page):
            explorer.scroll_into_view_if_needed()
            controls = explorer.locator("input[type=range]:visible, fieldset:visible").all()
            assert controls, "the explorer has no control"
            for control in controls:
                if control.evaluate("(e) => e.localName") == "fieldset":
                    before = explorer.evaluate(SEEN)
                    control.get_by_role("radio").last.check()
                    page.wait_for_timeout(150)
                    assert explorer.evaluate(SEEN) != before
                    continue
                at_end = control.evaluate("(e) => e.value === e.max")
                press_until(explorer, control, "ArrowLeft" if at_end else "ArrowRight")
                spoken = control.get_attribute("aria-valuetext")
                read = control.locator("xpath=following-sibling::*[1]").text_content()
                assert spoken == read != ""
        assert visit.failures == []


@EACH
def test_every_control_has_a_name_and_room_for_a_finger(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    with opened(browser, f"{addresses['file']}/{name}", viewport=chromium.PHONE) as (page, _):
        for explorer in explorers(page):
            for role in ("button", "slider", "radio", "group"):
                for control in explorer.get_by_role(role).all():  # type: ignore[arg-type]
                    if not control.is_visible():
                        continue
                    box = control.bounding_box()
                    assert box is not None
                    assert min(box["width"], box["height"]) >= 24
                    assert re.match(rf"- '?{role} \"[^\"]+\"", control.aria_snapshot())


@pytest.mark.parametrize("name", WITH_FILMS)
def test_a_film_plays_and_pauses(browser: Browser, addresses: dict[str, str], name: str) -> None:
    with opened(browser, f"{addresses['file']}/{name}", viewport=chromium.PHONE) as (page, _):
        for explorer in explorers(page):
            if "data-autoplay" in (explorer.evaluate("(e) => e.outerHTML") or "")[:400]:
                explorer.scroll_into_view_if_needed()
                explorer.get_by_role("button", name="Pause").click()
            play = explorer.get_by_role("button", name="Play")
            if play.count() == 0:
                continue
            before = explorer.evaluate(SEEN)
            play.focus()
            page.keyboard.press("Space")
            pause = explorer.get_by_role("button", name="Pause")
            expect(pause).to_be_focused()
            page.wait_for_function(
                f"([e, before]) => ({SEEN})(e) !== before", arg=[explorer.element_handle(), before]
            )
            page.keyboard.press("Enter")
            expect(play).to_be_focused()
            page.wait_for_timeout(100)
            after = explorer.evaluate(SEEN)
            page.wait_for_timeout(900)
            assert explorer.evaluate(SEEN) == after, "it was paused"


@pytest.mark.parametrize("name", WITH_FILMS)
def test_frames_are_loaded_when_the_reader_comes(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    settings: dict[str, Any] = {"reduced_motion": "reduce"}  # nothing plays by itself
    with opened(browser, f"{addresses['http']}/{name}", **settings) as (page, visit):
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


@EACH
def test_nothing_on_the_page_jumps(browser: Browser, addresses: dict[str, str], name: str) -> None:
    with opened(browser, f"{addresses['file']}/{name}", viewport=chromium.PHONE) as (page, _):
        for explorer in explorers(page):
            explorer.scroll_into_view_if_needed()
            page.wait_for_timeout(100)
            height = explorer.evaluate("(e) => e.offsetHeight")
            slider = explorer.locator("input[type=range]:visible").first
            slider.focus()
            heights = set()
            for key in ("Home", "ArrowRight", "ArrowRight", "End", "ArrowLeft"):
                slider.press(key)
                page.wait_for_timeout(80)
                heights.add(explorer.evaluate("(e) => e.offsetHeight"))
            assert heights == {height}, explorer.get_attribute("aria-label")


@pytest.mark.parametrize("name", WITH_FILMS)
def test_with_reduced_motion_a_press_is_a_step(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    address = f"{addresses['file']}/{name}"
    with opened(browser, address, reduced_motion="reduce") as (page, _):
        for explorer in explorers(page):
            explorer.scroll_into_view_if_needed()
            first = explorer.evaluate(SEEN)
            page.wait_for_timeout(600)
            assert explorer.evaluate(SEEN) == first, "it moved by itself"
            button = explorer.get_by_role("button")
            if button.count() == 0:
                continue
            expect(button).to_have_text("Next")
            slider = explorer.get_by_role("slider").first
            value = int(slider.input_value())
            button.click()
            page.wait_for_timeout(600)
            assert int(slider.input_value()) == value + 1


@EACH
def test_without_javascript_a_picture_and_a_sentence_remain(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    address = f"{addresses['file']}/{name}"
    with opened(browser, address, java_script_enabled=False) as (page, _):
        for explorer in explorers(page):
            expect(explorer.locator("figcaption")).to_be_visible()
            expect(explorer.locator("figcaption")).to_contain_text("One of")
            assert explorer.locator("button:visible, input:visible, legend:visible").count() == 0
            seen = explorer.locator(".explorer-view:not([hidden]) > :visible")
            assert seen.count() > 0, "no view is seen"


@EACH
def test_on_paper_a_picture_and_a_sentence_remain(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    with opened(browser, f"{addresses['file']}/{name}") as (page, _):
        page.emulate_media(media="print")
        for explorer in explorers(page):
            expect(explorer.locator("figcaption")).to_be_visible()
            assert explorer.locator("button:visible, input:visible, legend:visible").count() == 0


@pytest.mark.parametrize("name", WITH_FILMS)
def test_in_the_dark_an_explorer_is_no_bright_slab(
    browser: Browser, addresses: dict[str, str], name: str
) -> None:
    with opened(browser, f"{addresses['file']}/{name}", reduced_motion="reduce") as (page, _):
        chromium.set_scheme(page, "dark")
        for explorer in page.locator("figure.explorer, .cell_output:has(.widget-play)").all():
            explorer.scroll_into_view_if_needed()
            page.wait_for_timeout(200)
            with Image.open(io.BytesIO(explorer.screenshot())) as picture:
                brightness = float(np.median(np.asarray(picture.convert("L"))))
            assert brightness < 100, explorer.get_attribute("aria-label")
