"""Reporting an error: a link for each equation, figure and cell, and the form that they fill in."""

import gzip
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
import yaml
from aigc_book import report_links, repository
from bs4 import BeautifulSoup, Tag
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / ".github" / "ISSUE_TEMPLATE" / report_links.TEMPLATE
TEXT = "# 4.2 Page\n\n$$\na = b\n$$ (gan-value)\n\n$$\nc = d\n$$\n"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> BeautifulSoup:
    """A notebook behind a page with one formula.

    It has a formula with a number, one without, a hidden output and a drawing.
    """
    source = tmp_path_factory.mktemp("book")
    (source / "first.md").write_text("# First\n\n$$\nx\n$$ (first)\n", encoding="utf-8")
    (source / "index.md").write_text(
        "# Book\n\n:::{toctree}\n:numbered:\nfirst\npage\n:::\n", encoding="utf-8"
    )
    hidden = new_code_cell("1 + 1", id="hidden", metadata={"tags": ["hide-output"]})
    hidden.outputs = [new_output("execute_result", {"text/plain": "2"}, execution_count=1)]
    drawn = new_code_cell("draw()", id="drawn")
    drawn.metadata["aigc"] = {"captions": {"en": ["A curve."]}}
    drawn.outputs = [new_output("display_data", {"image/svg+xml": "<svg></svg>"})]
    cells = [new_markdown_cell(TEXT, id="text"), hidden, drawn]
    nbformat.write(new_notebook(cells=cells), source / "page.ipynb")
    with docutils_namespace():
        app = Sphinx(
            source, None, source / "out", source / "trees", "html",
            confoverrides={
                "extensions": [f"aigc_book.{part}" for part in ("equations", "figures", "folds")]
                + ["myst_nb", "aigc_book.report_links"],
                "language": "en",
                "myst_enable_extensions": ["colon_fence", "dollarmath"],
                "numfig": True,
                "numfig_secnum_depth": 0,
                "nb_execution_mode": "off",
            },
            status=None,
        )  # fmt: skip
        app.build()
    return BeautifulSoup((source / "out" / "page.html").read_text("utf-8"), "html.parser")


def asked(link: Tag) -> dict[str, str]:
    """What an issue is filled in with."""
    return {name: values[0] for name, values in parse_qs(urlsplit(str(link["href"])).query).items()}


NAMES = ["equation (2) gan-value", "cell hidden", "cell drawn", "figure 4.2-1"]


def test_every_numbered_thing_has_a_link_that_says_what_it_reports(page: BeautifulSoup) -> None:
    links = page.select("a.report")
    assert sorted(asked(link)["label"] for link in links) == sorted(NAMES)
    for link in links:
        assert str(link["href"]).startswith(f"{repository.repository_url()}/issues/new?")
        assert link["aria-label"] == f"Report an error in {asked(link)['label']}"
        assert asked(link)["page"] == "page"
        assert asked(link)["version"] == repository.version()


def test_an_equation_is_called_by_the_number_that_the_page_shows(page: BeautifulSoup) -> None:
    assert [shown.get_text()[:3] for shown in page.select(".eqno")] == ["(2)"]
    assert NAMES[0] in [asked(link)["label"] for link in page.select("a.report")]


def test_links_stand_beside_what_they_report(page: BeautifulSoup) -> None:
    where = {asked(link)["label"]: link.parent for link in page.select("a.report")}
    assert "equation-test" in where[NAMES[0]]["class"]  # type: ignore[index]
    assert "cell" in where[NAMES[1]]["class"]  # type: ignore[index]
    assert where[NAMES[3]].find_parent("figcaption") is not None  # type: ignore[union-attr]


def test_a_hidden_output_stays_hidden(page: BeautifulSoup) -> None:
    """MyST-NB takes the last part of a cell for its output: the link comes after that."""
    assert page.select_one("details.hide .cell_output") is not None


def test_a_keyboard_stops_at_one_fold_with_the_same_list(page: BeautifulSoup) -> None:
    assert {link["tabindex"] for link in page.select("a.report")} == {"-1"}
    (fold,) = page.select("details.report-page:not([open])")
    options = [option.text for option in fold.select("label select option")]
    assert options == [report_links.WHOLE_PAGE, *options[1:]]
    assert sorted(options[1:]) == sorted(NAMES)
    assert fold.form is not None
    hidden = {str(field["name"]): field["value"] for field in fold.select("input")}
    assert hidden | {"label": "x"} == report_links.fields("page", "x")
    assert fold.form["action"] == f"{repository.repository_url()}/issues/new"


def test_the_issue_form_has_the_fields_that_are_filled_in() -> None:
    form = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    inputs = {field["id"] for field in form["body"] if field["type"] == "input"}
    assert inputs == report_links.fields("", "").keys() - {"template"}
    required = {f["id"] for f in form["body"] if f.get("validations", {}).get("required")}
    assert required == {"page", "wrong"}


def test_a_page_of_a_hundred_things_grows_by_less_than_ten_kilobytes() -> None:
    labels = [f"cell {sha256(bytes([i])).hexdigest()[:8]}" for i in range(100)]
    links = [report_links.link("book/05_4_results", label).astext() for label in labels]
    fold = report_links.form("book/05_4_results", labels).astext()
    assert len(gzip.compress("".join([*links, fold]).encode())) < 10_000
