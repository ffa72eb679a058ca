"""The flags that report an error: seen when their thing is, large enough, no stop of a keyboard."""

import chromium
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(180)]

PAGE = "book/03_1_overview.html"
OPACITY = "(e) => Number(getComputedStyle(e).opacity)"


@pytest.mark.parametrize("visit", [PAGE], indirect=True)
@pytest.mark.parametrize(
    "thing", ["figure.captioned", "div.math:has(+ p.equation-test)", "div.cell"]
)
def test_a_flag_is_seen_when_the_mouse_is_on_what_it_reports(
    visit: chromium.Visit, thing: str
) -> None:
    page = visit.page
    page.add_style_tag(content="* { transition: none !important; }")
    shown = page.locator(thing).first
    flag = shown.locator("xpath=.|following-sibling::p").locator("a.report").first
    page.mouse.move(0, 0)
    assert flag.evaluate(OPACITY) == 0
    shown.scroll_into_view_if_needed()
    box = shown.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert flag.evaluate(OPACITY) == 1


@pytest.mark.parametrize("visit", [PAGE], indirect=True)
def test_flags_are_large_enough_and_the_keyboard_stops_once(visit: chromium.Visit) -> None:
    sizes = visit.page.evaluate("""() => [...document.querySelectorAll("a.report")]
      .filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect())
      .map((box) => Math.min(box.width, box.height))""")
    assert len(sizes) > 10
    assert min(sizes) >= 24
    stops = visit.page.evaluate("""() => [...document.querySelectorAll(
      ".report, .report-page :is(a, button, select, summary)")]
      .filter((e) => e.tabIndex >= 0 && e.checkVisibility({contentVisibilityAuto: true}))
      .map((e) => e.tagName)""")
    assert stops == ["SUMMARY"]


@pytest.mark.parametrize("phone_visit", [PAGE], indirect=True)
def test_flags_do_not_widen_a_phone_s_page(phone_visit: chromium.Visit) -> None:
    page = phone_visit.page
    right = page.evaluate("""() => Math.max(...[...document.querySelectorAll("a.report")]
      .map((e) => e.getBoundingClientRect().right))""")
    assert right <= chromium.PHONE["width"]
