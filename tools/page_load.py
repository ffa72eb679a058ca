"""How a page of the built book loads: what comes over the line, when text is seen, what jumps.

The reader of these measurements opens a page and touches nothing. ``SLOW_PHONE`` is a phone on a
moderate line: 9 Mbit/s, 60 ms there and back, a processor a quarter as fast as this one.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession

N_MS_QUIET = 1000  # no new request for so long: the page has what it asks for by itself

# Before anything of the page runs: write down paint and shifts. A shift counts whole, also one
# after an input, because there is none here.
OBSERVE = """() => {
  window.seen = { paint: null, shift: 0 };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if (entry.name === "first-contentful-paint") window.seen.paint = entry.startTime;
  }).observe({ type: "paint", buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.seen.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
}"""


@dataclass(frozen=True)
class Conditions:
    """The reader's machine and line.

    Attributes:
        megabits_per_second: Of the line.
        latency_ms: There and back.
        slowdown: How many times slower than this processor.
    """

    megabits_per_second: float
    latency_ms: float
    slowdown: float


SLOW_PHONE = Conditions(megabits_per_second=9.0, latency_ms=60.0, slowdown=4.0)


@dataclass
class Load:
    """What one visit took.

    Attributes:
        kilobytes: Over the line, by kind (Document, Stylesheet, Script, Image, Font, Other).
        n_requests: How many files were asked for.
        paint_ms: When the first text or picture was seen.
        shift: Sum of all layout shifts; 1 is the whole screen once.
        requests: Addresses that were asked for.
        failures: Addresses that did not come, or came with an error.
        errors: Errors in the console, and exceptions that nothing caught.
    """

    kilobytes: dict[str, float] = field(default_factory=dict)
    n_requests: int = 0
    paint_ms: float | None = None
    shift: float = 0.0
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Kilobytes over the line."""
        return sum(self.kilobytes.values())


def last_anchor(page: Path) -> str:
    """Return a page's last section: where a link into the page has most above it that may move."""
    anchors: list[str] = re.findall(r'<section id="([^"]+)"', page.read_text(encoding="utf-8"))
    return anchors[-1] if anchors else ""


def throttle(session: "CDPSession", conditions: Conditions) -> None:
    """Make this page's line and processor as slow as the reader's."""
    bytes_per_second = conditions.megabits_per_second * 1e6 / 8
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": conditions.latency_ms,
            "downloadThroughput": bytes_per_second,
            "uploadThroughput": bytes_per_second,
        },
    )
    session.send("Emulation.setCPUThrottlingRate", {"rate": conditions.slowdown})


def load(browser: "Browser", address: str, conditions: Conditions | None = None) -> Load:
    """Open a page on a phone with an empty cache, wait until it is quiet, and return what it took.

    Args:
        browser: A running Chromium.
        address: Over http; with an anchor to open the page there.
        conditions: The reader's; this machine's own when left out.
    """
    context = browser.new_context(viewport=chromium.PHONE)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Emulation.setScrollbarsHidden", {"hidden": True})  # a phone's lie over the page
    visit = chromium.watch(page)
    if conditions is not None:
        throttle(session, conditions)
    kinds: dict[str, str] = {}
    bytes_by_kind: Counter[str] = Counter()

    def note_request(event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("http"):
            kinds[event["requestId"]] = event.get("type", "Other")

    def note_finished(event: dict[str, Any]) -> None:
        if event["requestId"] in kinds:
            bytes_by_kind[kinds[event["requestId"]]] += event["encodedDataLength"]

    session.on("Network.requestWillBeSent", note_request)
    session.on("Network.loadingFinished", note_finished)
    page.add_init_script(f"({OBSERVE})()")
    page.goto(address, wait_until="load", timeout=120_000)
    n_before = -1
    while n_before != len(kinds):
        n_before = len(kinds)
        page.wait_for_timeout(N_MS_QUIET)
    seen = page.evaluate("() => window.seen")
    result = Load(
        kilobytes={kind: round(n / 1000, 1) for kind, n in sorted(bytes_by_kind.items())},
        n_requests=len(kinds),
        paint_ms=seen["paint"],
        shift=seen["shift"],
        requests=list(visit.requests),
        failures=list(visit.failures),
        errors=list(visit.errors),
    )
    context.close()
    return result
