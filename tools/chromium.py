"""Find Chromium on this machine and open pages of the built book in it."""

import functools
import gzip
import http.server
import io
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response, ViewportSize

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# No sandbox, because containers run as root; the rest keeps Chromium from calling home.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOW_TO_GET = (
    "Chromium was not found. On Debian: apt install chromium. Elsewhere: "
    ".venv/bin/playwright install chromium. Or name one: AIGC_TUTORIAL_CHROMIUM=/path/to/chrome"
)
PHONE: "ViewportSize" = {"width": 390, "height": 844}
WIDE: "ViewportSize" = {"width": 1440, "height": 900}


def find_chromium() -> str | None:
    """Return the path of a Chromium: the one named in the environment, on PATH, or Playwright's."""
    named = os.environ.get("AIGC_TUTORIAL_CHROMIUM")
    if named:
        return named
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


@contextmanager
def open_browser(executable: str, scroll_bars: bool = False) -> Iterator["Browser"]:
    """Yield a running Chromium with a profile of its own.

    Args:
        executable: Its path.
        scroll_bars: Whether they are seen, as most readers see them, where Chromium without a
            window hides them.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=list(FLAGS),
            ignore_default_args=["--hide-scrollbars"] if scroll_bars else None,
        )
        try:
            yield browser
        finally:
            browser.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each, text packed as any server for the public packs it."""

    packed = (".html", ".css", ".js", ".svg", ".json", ".txt", ".xml")

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send a file's headers and return its content."""
        path = Path(self.translate_path(self.path))
        takes_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        if path.suffix not in self.packed or not path.is_file() or not takes_gzip:
            return super().send_head()
        content = gzip.compress(path.read_bytes(), compresslevel=6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path = HTML) -> Iterator[str]:
    """Serve a folder on this machine alone and yield its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def book_pages() -> list[str]:
    """Return the pages of the built book: what is written for readers, not indices and listings."""
    pages = (path.relative_to(HTML).as_posix() for path in (HTML / "book").rglob("*.html"))
    return sorted(pages)


@dataclass
class Visit:
    """An open page, and what happened since it began to load.

    Attributes:
        page: The page.
        requests: Addresses that were asked for.
        failures: Addresses that did not come, or came with an error.
        errors: Errors in the console, and exceptions that nothing caught.
    """

    page: "Page"
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Begin anew, with the page that is opened next."""
        self.requests.clear()
        self.failures.clear()
        self.errors.clear()


def watch(page: "Page") -> Visit:
    """Write down every request, failure and error of a page from now on."""
    visit = Visit(page)

    def note_response(response: "Response") -> None:
        if response.status >= 400:
            visit.failures.append(f"{response.status} {response.url}")

    def note_message(message: "ConsoleMessage") -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("requestfailed", lambda request: visit.failures.append(request.url))
    page.on("response", note_response)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("console", note_message)
    return visit


def wait_until_drawn(page: "Page") -> None:
    """Wait for the fonts."""
    page.evaluate("() => document.fonts.ready.then(() => null)")


def load_pictures(page: "Page") -> None:
    """Load every picture that has its place on the page, also far below, and wait for them."""
    page.evaluate(
        """async () => {
          const seen = [...document.images].filter((image) => image.getClientRects().length);
          for (const image of seen) image.loading = "eager";
          await Promise.allSettled(seen.map((image) => image.decode()));
        }"""
    )


def wait_until_settled(page: "Page") -> None:
    """Wait for the end of every transition of the style sheets, such as a colour's or a menu's."""
    page.evaluate(
        """() => Promise.allSettled(document.getAnimations()
          .filter((animation) => animation instanceof CSSTransition)
          .map((transition) => transition.finished)).then(() => null)"""
    )


def set_scheme(page: "Page", scheme: str) -> None:
    """Change to ``light`` or ``dark`` as the theme's button does, and wait for the colours."""
    page.evaluate(
        "(s) => { document.documentElement.dataset.mode = s; "
        "document.documentElement.dataset.theme = s; }",
        scheme,
    )
    wait_until_settled(page)
    wait_until_drawn(page)
