"""The errata are complete, well formed, and in the order of their numbers."""

import re
from pathlib import Path

import pytest
import yaml

BOOK = Path(__file__).parents[2] / "book"
FILE = BOOK / "errata.yml"
ENTRIES = yaml.safe_load(FILE.read_text(encoding="utf-8"))
LAST_LINE = 508  # of the source document


def test_identifiers_are_unique_and_in_order():
    numbers = [int(entry["id"].removeprefix("E")) for entry in ENTRIES]
    # E74 belongs to 6.2.
    # E74 belongs to 6.2.
    # E74 belongs to 6.2.
    assert numbers == [*range(1, 74), *range(75, 83)]


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
def test_page_exists(entry):
    assert (BOOK / f"{entry['page']}.ipynb").is_file()
