"""A question before a result, as a reader answers it."""

from collections.abc import Iterator

import chromium
import pytest
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

ASKING = [
    name
    for name in chromium.book_pages()
    if 'class="predict"' in (chromium.HTML / name).read_text(encoding="utf-8")
]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing is answered yet."""
    page = browser.new_page(viewport=chromium.PHONE)
    page.goto((chromium.HTML / ASKING[0]).as_uri())
    yield page
    page.close()


def test_some_pages_ask() -> None:
    assert ASKING


def test_the_keyboard_answers_and_the_page_judges(page: Page) -> None:
    question = page.locator(".predict").first
    radios, verdict = question.locator("input[type=radio]"), question.locator("[role=status]")
    answer = question.locator("details")
    assert answer.get_attribute("open") is None
    assert verdict.text_content() == ""
    radios.first.focus()
    page.keyboard.press("Space")
    for _ in range(radios.count()):
        taken = question.locator("label:has(input:checked)")
        right = taken.get_attribute("data-right") is not None
        assert (verdict.text_content() or "").startswith("✓" if right else "✗")
        assert taken.get_attribute("data-taken") == ("right" if right else "wrong")
        page.keyboard.press("ArrowDown")
    assert answer.get_attribute("open") is not None
    assert question.locator("label[data-taken]").count() == 1
    assert question.locator("label[data-right]").count() == 1


@pytest.mark.parametrize("phone_visit", ASKING, indirect=True)
def test_choices_are_large_enough_to_touch(phone_visit: chromium.Visit) -> None:
    choices = phone_visit.page.locator(".predict-choice").all()
    boxes = [choice.bounding_box() for choice in choices]
    assert boxes
    assert all(box is not None and box["height"] >= 24 for box in boxes)


def test_without_a_script_the_answer_opens(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((chromium.HTML / ASKING[0]).as_uri())
    fold = page.locator(".predict details").first
    fold.locator("summary").click()
    assert fold.locator("p").first.is_visible()
    context.close()
