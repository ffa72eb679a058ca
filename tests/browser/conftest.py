"""Chromium, and the built book over `file://` and over http."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import chromium
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = chromium.find_chromium()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(chromium.HOW_TO_GET)
        pytest.skip(chromium.HOW_TO_GET)
    with chromium.open_browser(executable) as running:
        yield running


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    if not (chromium.HTML / "index.html").is_file():
        pytest.fail("there is no built book; run `make book` first")
    with chromium.serve() as http:
        yield {"file": chromium.HTML.as_uri(), "http": http}


@dataclass
class Visit:
    """An open page and what happened while it loaded."""

    page: Page
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def watch(page: Page, visit: Visit) -> None:
    """Write down every request, failure and error of the page."""

    def note_response(response: Response) -> None:
        if response.status >= 400:
            visit.failures.append(f"{response.status} {response.url}")

    def note_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("requestfailed", lambda request: visit.failures.append(request.url))
    page.on("response", note_response)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("console", note_message)


@pytest.fixture(scope="module")
def visit(
    request: pytest.FixtureRequest, browser: Browser, addresses: dict[str, str]
) -> Iterator[Visit]:
    """A page opened once for all tests that look at it; the parameter is (`file` or `http`, name)."""
    scheme, name = request.param
    page = browser.new_page(viewport=chromium.WIDE)
    visit = Visit(page)
    watch(page, visit)
    page.goto(f"{addresses[scheme]}/{name}")
    chromium.wait_until_drawn(page)
    yield visit
    page.close()
