"""Folds, as a reader opens them."""

import re

import chromium
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

WITH_FOLDS = [
    name
    for name in chromium.book_pages()
    if re.search(r"fold-code.*fold-checks", (chromium.HTML / name).read_text("utf-8"), re.DOTALL)
]
# Cells whose output, where it is seen, does not end above the line that opens their code.
OUT_OF_ORDER = """() => [...document.querySelectorAll("div.cell > .fold-code")].filter((fold) => {
  const output = fold.parentElement.querySelector(":scope > .cell_output");
  return output && output.getBoundingClientRect().bottom > fold.getBoundingClientRect().top + 1;
}).map((fold) => fold.textContent.slice(0, 80))"""


A_PAGE = pytest.mark.parametrize("visit", WITH_FOLDS[:1], indirect=True)


def test_a_page_has_folds() -> None:
    assert WITH_FOLDS


@A_PAGE
def test_results_stand_above_their_code(visit: chromium.Visit) -> None:
    page = visit.page
    assert page.locator("div.cell > .fold-code").count() > 0
    assert page.evaluate(OUT_OF_ORDER) == []


@A_PAGE
@pytest.mark.parametrize("kind", ["code", "checks"])
def test_a_fold_is_opened_by_keyboard_and_is_large_enough_to_touch(
    visit: chromium.Visit, kind: str
) -> None:
    page = visit.page
    fold = page.locator(f".fold-{kind}").last
    content = fold.locator("pre, p").first
    assert not content.is_visible()
    title = fold.locator("summary")
    title.focus()
    page.keyboard.press("Enter")
    assert content.is_visible()
    box = title.bounding_box()
    assert box is not None
    assert box["height"] >= 24
    page.keyboard.press("Enter")
    assert not content.is_visible()


@A_PAGE
def test_folded_code_can_be_copied(visit: chromium.Visit) -> None:
    fold = visit.page.locator(".fold-code").last
    fold.locator("summary").click()
    button = fold.locator("button.copybtn")
    button.focus()
    assert button.is_visible()
    fold.locator("summary").click()
