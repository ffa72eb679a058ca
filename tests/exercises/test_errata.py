"""The errata are complete, well formed, in the order of their numbers, and each of them is run."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import yaml
from aigc_book import errata

BOOK = Path(__file__).parents[2] / "book"
FILE = BOOK / "errata.yml"
ENTRIES = yaml.safe_load(FILE.read_text(encoding="utf-8"))
LAST_LINE = 508  # of the source document
RUNS = nbformat.read(BOOK / f"{errata.RUN_PAGE}.ipynb", as_version=4).cells
CHECKS = {"expect", "expect_band", "shows_error"}


def run_by(cell):
    """The errata that a code cell reproduces, which its first line names: ``# E47, E48``."""
    first = cell.source.splitlines()[0] if cell.cell_type == "code" and cell.source else ""
    return first.removeprefix("# ").split(", ") if re.fullmatch(r"# E\d+(, E\d+)*", first) else []


def shown_by(cell):
    """The errata whose boxes a text shows."""
    boxes = re.findall(r"^```\{errata-run\} (.+)$", cell.source, re.MULTILINE)
    return [number for line in boxes for number in line.split()]


def test_identifiers_are_unique_and_in_order():
    numbers = [int(entry["id"].removeprefix("E")) for entry in ENTRIES]
    assert numbers == [*range(1, 83)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_entry_is_well_formed(entry):
    assert set(entry) == {"id", "section", "lines", "page", "says", "right"}
    assert all(isinstance(value, str) and value.strip() for value in entry.values())
    assert re.fullmatch(r"\d(\.\d){1,2}(, \d(\.\d){1,2})*", entry["section"])
    assert entry["says"].rstrip().endswith((".", "`", "..."))
    assert entry["right"].rstrip().endswith(".")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_lines_rise_and_lie_in_the_document(entry):
    numbers = [int(n) for n in re.split(r"[–,] ?", entry["lines"])]
    assert numbers == sorted(numbers)
    assert 1 <= numbers[0] <= numbers[-1] <= LAST_LINE


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_what_is_shown_on_two_pages_calls_neither_this_page(entry):
    assert not re.search(r"\bthis\s+page\b", entry["says"] + entry["right"], re.IGNORECASE)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_page_exists(entry):
    assert (BOOK / f"{entry['page']}.ipynb").is_file()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_every_erratum_is_run_by_a_cell_that_can_fail(entry):
    cells = [cell for cell in RUNS if entry["id"] in run_by(cell)]
    assert cells, f"no cell of {errata.RUN_PAGE} begins with # {entry['id']}"
    for cell in cells:
        nodes = list(ast.walk(ast.parse(cell.source)))
        calls = [n.func for n in nodes if isinstance(n, ast.Call)]
        called = {function.attr for function in calls if isinstance(function, ast.Attribute)}
        assert called & CHECKS or any(isinstance(node, ast.Assert) for node in nodes)


def test_nothing_else_is_run_and_each_box_stands_right_above_its_code():
    boxes = [number for cell in RUNS for number in shown_by(cell)]
    assert sorted(boxes) == sorted(entry["id"] for entry in ENTRIES)
    assert {number for cell in RUNS for number in run_by(cell)} == set(boxes)
    for text, code in pairwise(RUNS):
        if shown := shown_by(text):
            assert run_by(code) == shown


def test_errata_are_run_in_the_order_of_the_document_under_the_section_of_their_first_place():
    first = {entry["id"]: errata.sections_of(entry)[0] for entry in ENTRIES}
    section, passed = "", [0]
    for cell in RUNS:
        if found := re.search(r"^## (\d[\d.]*)", cell.source, re.MULTILINE):
            section = found[1]
            here = [int(part) for part in section.split(".")]
            assert passed < here
            passed = here
        assert all(first[number] == section for number in shown_by(cell)), section
