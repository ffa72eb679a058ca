"""What Mermaid's own parser says of the document's diagrams, and of ours."""

import chromium
import pytest
from playwright.sync_api import Browser, Page

from aigc_tutorial.pages.concepts import CONCEPTS, PIPELINE, ConceptMap

pytestmark = [pytest.mark.browser, pytest.mark.built, pytest.mark.timeout(120)]

PARSER = chromium.HTML / "_static" / "lib" / "mermaid" / "mermaid.min.js"
PARSE = """async (source) => {
  try { await mermaid.parse(source); return ""; } catch (error) { return error.message; }
}"""


@pytest.fixture
def page(browser: Browser) -> Page:
    page = browser.new_page()
    page.goto("about:blank")
    page.add_script_tag(path=PARSER)
    return page


@pytest.mark.parametrize(
    "line", ["A[生成对抗网络 (GAN)] --> B[自回归 (AR) 模型]", "D --> I[生成对抗网络 (GAN)]"]
)
def test_the_documents_lines_do_not_parse_until_they_are_quoted(page: Page, line: str) -> None:
    assert "got 'PS'" in page.evaluate(PARSE, f"graph TB\n  {line}")  # an opening bracket
    quoted = line.replace("[", '["').replace("]", '"]')
    assert page.evaluate(PARSE, f"graph TB\n  {quoted}") == ""


@pytest.mark.parametrize("diagram", [CONCEPTS, PIPELINE], ids=["concepts", "pipeline"])
def test_our_diagrams_parse(page: Page, diagram: ConceptMap) -> None:
    assert page.evaluate(PARSE, diagram.mermaid()) == ""
    assert page.evaluate(PARSE, f'---\nalt: "{diagram.alt}"\n---\n{diagram.mermaid()}') == ""
