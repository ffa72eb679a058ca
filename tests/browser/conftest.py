"""Chromium, and the built book over `file://` and over http."""

import os
from collections.abc import Iterator

import chromium
import pytest
from playwright.sync_api import Browser


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


@pytest.fixture(scope="module")
def visit(
    request: pytest.FixtureRequest, browser: Browser, addresses: dict[str, str]
) -> Iterator[chromium.Visit]:
    """A page, opened once for all tests that look at it; parameter: `file` or `http`, and name."""
    scheme, name = request.param
    page = browser.new_page(viewport=chromium.WIDE)
    visit = chromium.watch(page)
    page.goto(f"{addresses[scheme]}/{name}")
    chromium.wait_until_drawn(page)
    yield visit
    page.close()
