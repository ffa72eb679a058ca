"""The boxes of the errata: two for each entry, which lead to each other, and a table of all."""

import io
from pathlib import Path

import pytest
from aigc_book import errata
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

ENTRY = '- {{id: {}, section: "{}", lines: "{}", page: {}, says: s, right: r}}\n'
ENTRIES = (
    ENTRY.format("E1", "1.2, 2", "4", "01_background")
    + ENTRY.format("E2", "1.2", "5, 6", "02_1_concepts")
    + ENTRY.format("E3", "2", "7", errata.RUN_PAGE)
)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, BeautifulSoup]:
    """A book of three pages, each read back from its HTML; a dead link fails the build."""
    (tmp_path / "errata.yml").write_text(ENTRIES)
    entries = errata.read_errata(tmp_path / "errata.yml")
    monkeypatch.setattr(errata, "read_errata", lambda: entries)
    texts = {
        "index": "# Start\n\n```{toctree}\n01_background\n02_1_concepts\n10_errata\n```\n",
        "01_background": "# 1 Background\n\n```{errata} E1\n```\n",
        "02_1_concepts": "# 2.1 Concepts\n\n```{errata} E2\n```\n",
        "10_errata": "# 10 Errata\n\n```{errata-table}\n```\n\n```{errata-run} E1 E2 E3\n```\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.md").write_text(text)
    app = Sphinx(
        tmp_path, None, tmp_path / "out", tmp_path / "trees", "html",
        confoverrides={"extensions": ["myst_parser", "aigc_book.errata"]},
        status=None, warning=(warnings := io.StringIO()),
    )  # fmt: skip
    app.build()
    assert warnings.getvalue() == ""
    html = {name: (tmp_path / "out" / f"{name}.html").read_text("utf-8") for name in texts}
    return {name: BeautifulSoup(text, "html.parser") for name, text in html.items()}


def links(soup: BeautifulSoup, selector: str) -> dict[str, str]:
    """Return the addresses of the links in a part of a page, by their texts."""
    return {a.text: str(a["href"]) for a in soup.select(f"{selector} a.reference")}


def test_the_two_boxes_of_an_entry_lead_to_each_other(built: dict[str, BeautifulSoup]) -> None:
    taught = links(built["02_1_concepts"], "#erratum-E2")
    assert taught == {"run in 10": "10_errata.html#run-E2"}
    run = links(built["10_errata"], "#run-E2")
    assert run == {"taught in 2.1": "02_1_concepts.html#erratum-E2"}


def test_a_box_says_where_the_point_stands_in_one_section_or_several() -> None:
    entry = {"section": "1.2, 3.1", "lines": "14, 102"}
    assert errata.place(entry) == "source document, sections 1.2, 3.1, lines 14, 102"
    entry = {"section": "1.2", "lines": "14"}
    assert errata.place(entry) == "source document, section 1.2, line 14"


def test_the_table_has_an_entry_at_each_of_its_sections(built: dict[str, BeautifulSoup]) -> None:
    rows = [
        [cell.text.strip() for cell in row.select("td")]
        for row in built["10_errata"].select(".errata-table tbody tr")
    ]
    assert rows == [["1.2", "E1, E2", "1, 2.1"], ["2", "E1, E3", "1, 10"]]
    targets = links(built["10_errata"], ".errata-table")
    assert targets["2.1"] == "02_1_concepts.html#erratum-E2"
    assert targets["E2"] == "#run-E2"


def test_an_entry_that_no_other_page_teaches_leads_to_no_dead_end(
    built: dict[str, BeautifulSoup],
) -> None:
    assert links(built["10_errata"], "#run-E3") == {"taught in 10": "#run-E3"}
    assert links(built["10_errata"], ".errata-table")["10"] == "#run-E3"
