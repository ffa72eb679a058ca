"""What the source document recommends, with our verdicts; and the links of pages 7 and 8."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from aigc_book import places, resources
from aigc_book.repository import BOOK
from sphinx.application import Sphinx

from aigc_tutorial import cli
from tests import small_notebooks

ENTRIES = resources.read_resources()
# Lines of the source document, section 7: each of its sixteen numbered entries.
LINES = {
    "book": ["466", "468", "470", "472", "474"],
    "tool": ["482", "484", "486", "488", "490", "492"],
    "paper": ["500", "502", "504", "506", "508"],
}
CITED = re.compile(r"\{cite:t\}`([^`]+)`")
CELL_LINK = re.compile(r"\{ref\}`([^`<]+) <(\w+):(cell-\d{3})>`")
CHECKS = {"expect", "expect_band", "shows_error"}


def text_of(page: str) -> str:
    cells = nbformat.read(BOOK / f"{page}.ipynb", as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def code_of(page: str, cell_id: str) -> str:
    cells = nbformat.read(BOOK / f"{page}.ipynb", as_version=4).cells
    return str(next(cell.source for cell in cells if cell.id == cell_id))


# ---- what the file holds ----


def test_every_entry_of_the_document_has_a_verdict_in_its_order() -> None:
    found = [(entry["kind"], entry["lines"]) for entry in ENTRIES.values()]
    assert found == [(kind, line) for kind, lines in LINES.items() for line in lines]


def test_what_is_misnamed_or_not_found_names_what_there_is_instead() -> None:
    for name, entry in ENTRIES.items():
        cited = CITED.findall(entry["en"]["right"])
        if entry["verdict"] in ("misnamed", "unclear", "not found"):
            assert len(cited) >= 2, name
        elif entry["kind"] == "paper":
            assert len(cited) == 1, name


def test_every_entry_is_at_work_at_a_place_that_exists() -> None:
    for name, entry in ENTRIES.items():
        assert entry["used"], name
        for place in entry["used"]:
            places.find_place(place)


def test_the_page_shows_each_kind_once() -> None:
    shown = re.findall(r"^```\{resources\} (\w+)$", text_of("07_resources"), re.MULTILINE)
    assert sorted(shown) == sorted(resources.KINDS)


# ---- what is refused ----

GOOD = {
    "id": "a-book",
    "kind": "book",
    "lines": "1",
    "verdict": "not found",
    "used": ["small#a-heading", "small#cell-001"],
    "en": {"named": "A Book", "right": "There is *another*."},
}


def written(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(list(entries), allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([GOOD, GOOD], "a-book occurs twice"),
        ([{key: value for key, value in GOOD.items() if key != "en"}], "at least one language"),
        ([{key: value for key, value in GOOD.items() if key != "used"}], "has the keys"),
        ([GOOD | {"zh": {"named": "书"}}], r"\['named'\] under zh"),
        ([GOOD | {"verdict": "nice"}], "verdict 'nice'"),
        ([GOOD | {"kind": "film"}], "'film'"),
    ],
)
def test_a_faulty_entry_is_refused(tmp_path: Path, entries: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resources.read_resources(written(tmp_path / "resources.yml", *entries))


def test_a_place_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="its headings are"):
        places.find_place("07_resources#no-such-heading")
    with pytest.raises(ValueError, match="no notebook"):
        places.find_place("no_such_page#a")


# ---- what the directive makes ----


def test_the_table_has_verdict_correction_and_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    text = (
        "# 7 A small page\n\n## A heading\n\n```{resources} book\n```\n\n"
        "{ref}`resource-a-book`, {ref}`run it <small:cell-001>`"
    )
    cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell("1 + 1"),
    ]
    small_notebooks.write(folder / "small.ipynb", cells)
    (folder / "index.md").write_text("# Book\n\n```{toctree}\nsmall\n```\n", encoding="utf-8")
    for module in (places, resources):
        monkeypatch.setattr(module, "BOOK", folder)
    monkeypatch.setattr(resources, "RESOURCES", written(folder / "resources.yml", GOOD))
    places.places_of.cache_clear()
    app = Sphinx(
        folder, None, tmp_path / "out", tmp_path / "trees", "html",
        confoverrides={
            "extensions": ["myst_nb", "aigc_book.page_order", "aigc_book.places",
                           "aigc_book.resources"],
            "nb_execution_mode": "off",
            "myst_heading_anchors": 3,
            "language": "en",
        },
        status=None,
        warningiserror=True,
    )  # fmt: skip
    try:
        app.build()
    finally:
        places.places_of.cache_clear()
    page = (tmp_path / "out" / "small.html").read_text(encoding="utf-8")
    assert page.count('id="resource-a-book"') == page.count('href="#resource-a-book"') == 1
    assert re.search(r"A Book: <strong>not found</strong>", page)
    assert "There is <em>another</em>." in page
    assert re.search(r'href="#a-heading">[^<]*A heading', re.sub(r"</?span[^>]*>", "", page))
    assert page.count('id="cell-001"') == 1
    assert page.count('href="#cell-001"') == 2


# ---- the links and commands of pages 7 and 8 ----


def test_every_claim_of_the_summary_leads_to_the_cell_that_checks_it() -> None:
    """A link to a cell bears the name of a check that the cell holds, word for word."""
    links = CELL_LINK.findall(text_of("08_summary"))
    named = [link for link in links if not link[0].startswith("page ")]
    assert len(named) >= 20
    for name, page, cell_id in named:
        tree = ast.parse(code_of(page, cell_id))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        texts = {
            node.value
            for call in calls
            if isinstance(call.func, ast.Attribute) and call.func.attr in CHECKS
            for node in ast.walk(call)
            if isinstance(node, ast.Constant)
        }
        assert name in texts, f"{page}:{cell_id} has no check named {name!r}"


@pytest.mark.parametrize("page", ["07_resources", "08_summary"])
def test_links_to_headings_and_cells_exist(page: str) -> None:
    text = text_of(page)
    for other, anchor in re.findall(r"\]\((\w+)\.ipynb(?:#([^)]+))?\)", text):
        assert not anchor or places.find_place(f"{other}#{anchor}")
    for _, other, cell_id in CELL_LINK.findall(text):
        assert places.find_place(f"{other}#{cell_id}").is_cell


def test_first_commands_of_the_projects_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.txt").write_text("A text that one knows well. " * 9_999, encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.+?)^```", text_of("08_summary"), re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(blocks) == 3
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "aigc-tutorial"
        assert cli.parse(arguments)
