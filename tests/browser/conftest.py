"""Chromium, and the built book over `file://` and over http.

To open a page costs more than most tests of it, so one reader with one window reads the book: a
page is opened once for all tests that ask for it as `visit` or `phone_visit`, from whatever module
they come. They run in the order of their pages, and those of a page on one worker.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import chromium
import pytest
from playwright.sync_api import Browser, ViewportSize
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

OF_A_PAGE = ("visit", "phone_visit")


def parameter(item: pytest.Item, fixture: str) -> str:
    """Return what a test gives to a fixture; empty if it does not ask for it."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get(fixture, "")) if callspec else ""


class PageScheduling(LoadScopeScheduling):
    """Gives all tests of a page to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        page = re.search(r"[\[-]((?:book/[\w/]+|search)\.html)\]$", nodeid)
        return page[1] if page else nodeid


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> PageScheduling:
    return PageScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests of the same page side by side: those on a phone last, and the rest before all."""

    def place(item: pytest.Item) -> tuple[str, int]:
        return next(
            (
                (name, i)
                for i, fixture in enumerate(OF_A_PAGE)
                if (name := parameter(item, fixture))
            ),
            ("", 0),
        )

    items.sort(key=place)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = chromium.find_chromium()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(chromium.HOW_TO_GET)
        pytest.skip(chromium.HOW_TO_GET)
    with chromium.open_browser(executable, scroll_bars=True) as running:
        yield running


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    if not (chromium.HTML / "index.html").is_file():
        pytest.fail("there is no built book; run `make book` first")
    with chromium.serve() as http:
        yield {"file": chromium.HTML.as_uri(), "http": http}


@dataclass
class Reader:
    """One who reads page after page in one window.

    Attributes:
        visit: The window, and what happened since the page that is shown began to load.
        root: Address of the book.
        shown: The page that is shown, from the book's root; empty before the first.
    """

    visit: chromium.Visit
    root: str
    shown: str = ""

    def turn_to(self, name: str, size: ViewportSize) -> None:
        """Show a page as it is when it is opened, at its top and with nothing chosen."""
        page = self.visit.page
        if name != self.shown:
            page.goto("about:blank")  # what the page before still waits for is not this one's
            self.visit.forget()
        # The size first: the theme decides what is a tab stop when a page opens, and after a change
        # of size only 300 ms later.
        if page.viewport_size != size:
            page.set_viewport_size(size)
        if name != self.shown:
            page.goto(f"{self.root}/{name}")
            chromium.wait_until_drawn(page)
            self.shown = name
        page.emulate_media(media="screen", reduced_motion="reduce")
        scheme = page.evaluate("""() => {
          document.activeElement.blur();
          window.scrollTo(0, 0);
          return document.documentElement.dataset.mode;
        }""")
        if scheme != "light":
            chromium.set_scheme(page, "light")


@pytest.fixture(scope="session")
def reader(browser: Browser, addresses: dict[str, str]) -> Iterator[Reader]:
    page = browser.new_page(viewport=chromium.WIDE, reduced_motion="reduce")
    yield Reader(chromium.watch(page), addresses["file"])
    page.close()


def opened(reader: Reader, name: str, size: ViewportSize) -> Iterator[chromium.Visit]:
    reader.turn_to(name, size)
    n_errors = len(reader.visit.errors)
    yield reader.visit
    assert reader.visit.errors[n_errors:] == []


@pytest.fixture
def visit(request: pytest.FixtureRequest, reader: Reader) -> Iterator[chromium.Visit]:
    """The page of this name over `file://`, on a wide screen, light and with reduced motion."""
    yield from opened(reader, request.param, chromium.WIDE)


@pytest.fixture
def phone_visit(request: pytest.FixtureRequest, reader: Reader) -> Iterator[chromium.Visit]:
    """The same on a phone."""
    yield from opened(reader, request.param, chromium.PHONE)
