"""On a phone the sentences in code wrap, and the button to the top leaves the text free."""

import chromium
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

PAGE = "book/02_1_concepts.html"


@pytest.mark.parametrize("phone_visit", [PAGE], indirect=True)
def test_docstrings_are_not_cut_at_the_right(phone_visit: chromium.Visit) -> None:
    cut = phone_visit.page.evaluate("""() =>
      [...document.querySelectorAll(".highlight pre .sd")]
        .filter((e) => e.checkVisibility())
        .filter((e) => e.getBoundingClientRect().right
          > e.closest("pre").getBoundingClientRect().right + 1)
        .map((e) => e.textContent)""")
    assert cut == []


@pytest.mark.parametrize("phone_visit", [PAGE], indirect=True)
def test_the_button_to_the_top_stands_in_a_corner(phone_visit: chromium.Visit) -> None:
    box = phone_visit.page.evaluate("""() => {
      const button = document.querySelector("#pst-back-to-top");
      button.style.display = "block";
      const box = button.getBoundingClientRect().toJSON();
      button.style.display = "";
      return box;
    }""")
    assert 24 <= box["width"] <= 40
    assert box["left"] > 0.8 * chromium.PHONE["width"]
    assert box["right"] <= chromium.PHONE["width"]
    assert 0.9 * chromium.PHONE["height"] < box["bottom"] <= chromium.PHONE["height"]
