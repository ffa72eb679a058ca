"""The service's own page, as a reader uses it. It needs no built book."""

import re
from collections.abc import Iterator
from typing import Any

import chromium
import pytest
from aigc_book import javascript
from playwright.sync_api import Browser, Page, expect

from aigc_tutorial.deploy.service import Limits, create_app
from tests.deploy.service.live import running
from tests.deploy.service.small import broken_writer, generator, painter, parrot, writer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

KEY = "a-key-of-many-letters"
AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((v) => [v.id, ...v.nodes.map((n) => n.target.join(" "))]);
}"""
LONG = 100_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    models: dict[str, Any] = {
        "parrot": parrot("déjà 東京 🎉 one two three "),
        "writer": writer(),
        "broken": broken_writer(),
        "painter": painter(),
        "generator": generator(),
    }
    with running(create_app(models, Limits(max_tokens=LONG))) as url:
        yield url


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[chromium.Visit]:
    """The page, fresh; whatever goes wrong on it is an error."""
    context = browser.new_context(viewport=chromium.WIDE)
    visit = chromium.watch(context.new_page())
    visit.page.goto(address)
    expect(visit.page.locator("#writer option")).to_have_count(3)
    yield visit
    context.close()
    assert visit.errors == []


def write(page: Page, prompt: str, **fields: str) -> None:
    page.get_by_label("Beginning of the text").fill(prompt)
    for label, value in {"New tokens": "20", "Temperature": "0"}.items():
        page.get_by_label(label).fill(fields.get(label.partition(" ")[0].lower(), value))
    page.get_by_role("button", name="Write").click()


def test_a_text_appears_as_it_is_written(visit: chromium.Visit, address: str) -> None:
    page = visit.page
    write(page, "déjà ", new=str(len("東京 🎉 one two three ".encode())))
    expect(page.locator("#writing-status")).to_have_text("Done.")
    assert page.locator("#text").text_content() == "déjà 東京 🎉 one two three "
    assert {request.partition(address)[0] for request in visit.requests} == {""}  # nothing else
    assert page.locator("#painter option").all_text_contents() == ["painter", "generator"]


def test_the_keyboard_writes_and_stops(visit: chromium.Visit) -> None:
    page = visit.page
    page.get_by_label("Model").first.select_option("writer")
    page.locator("#tokens").evaluate(f"(e) => {{ e.max = {LONG}; }}")
    write(page, "ab", new=str(LONG))
    text = page.locator("#text")
    expect(text).not_to_have_text("ab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#writing-status")).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    stopped_at = text.text_content()
    page.wait_for_function(
        "async () => /\"jobs\": 0/.test(await (await fetch('health')).text())", timeout=20_000
    )
    assert text.text_content() == stopped_at


def test_digits_appear_with_a_text_for_those_who_do_not_see_them(visit: chromium.Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#drawing-status")).to_have_text("Done.")
    images = page.locator("#digits img")
    expect(images).to_have_count(4)
    assert images.nth(1).get_attribute("alt") == "Drawing 2 of 4: a seven"
    widths = images.evaluate_all("(all) => all.map((image) => image.naturalWidth)")
    assert widths == [4] * 4


def test_errors_are_said_in_the_service_s_words(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#writer option")).to_have_count(3)
    status = page.locator("#writing-status")
    page.get_by_label("Model").first.select_option("writer")
    write(page, "x" * 20)
    expect(status).to_contain_text("has 20 tokens, and this model reads at most 16")
    page.get_by_label("Model").first.select_option("broken")
    write(page, "a!")  # fails in the midst of a stream
    expect(status).to_contain_text("The model broken failed")
    expect(status).to_have_class(re.compile("wrong"))
    page.get_by_label("What").fill("a cat")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#drawing-status")).to_contain_text("this prompt names none")
    page.close()


def test_a_key_is_asked_for_and_given(browser: Browser) -> None:
    with running(create_app({"parrot": parrot("one two ")}, api_key=KEY)) as url:
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#writing-status")).to_contain_text("wants an API key")
        page.get_by_label("API key").fill(KEY)
        page.get_by_label("API key").press("Tab")
        expect(page.locator("#writer option")).to_have_text(["parrot"])
        write(page, "one ", new="3")
        expect(page.locator("#text")).to_have_text("one two")
        page.close()


def test_what_a_model_writes_is_never_markup(browser: Browser) -> None:
    text = "<img src=x onerror=document.title='owned'><b>"
    with running(create_app({"parrot": parrot(text)})) as url:
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#writer option")).to_have_count(1)
        write(page, "<img ", new=str(len(text)))
        expect(page.locator("#writing-status")).to_have_text("Done.")
        assert page.locator("#text *").count() == 0
        assert page.title() == "Write and draw with small models"
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, address: str, scheme: str) -> None:
    script = (javascript.ensured(javascript.AXE) / "axe.min.js").read_text(encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport=chromium.PHONE)  # type: ignore[arg-type]
    page.goto(address)
    expect(page.locator("#writer option")).to_have_count(3)
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#digits img")).to_have_count(4)
    page.evaluate(script)
    assert page.evaluate(AXE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_the_policy_of_the_page_is_its_own() -> None:
    """The sums in the policy are those of what the file holds; another file loads nothing."""
    from aigc_tutorial.deploy.service.page import PAGE, PAGE_HEADERS

    assert not re.search(r"https?://|<link(?! rel=\"icon\")|@import|url\(", PAGE)
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
