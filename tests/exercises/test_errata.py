"""The errata are complete, well formed, and in the order of their numbers."""

import re
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[2] / "book" / "errata.yml"
ENTRIES = yaml.safe_load(FILE.read_text(encoding="utf-8"))
PAGES = {
    "03_2_2_ar_steps",
    "04_2_1_gan_math",
    "04_2_2_ar_math",
    "04_3_mnist_case",
    "05_1_environment",
    "05_2_implementation",
    "05_4_results",
}
LAST_LINE = 508  # of the source document


def test_identifiers_are_unique_and_in_order():
    numbers = [int(entry["id"].removeprefix("E")) for entry in ENTRIES]
    assert numbers == sorted(set(numbers))
    assert set(range(41, 72)) <= set(numbers)
    assert {15, 16, 17, 18, 19, 20, 29, 30, 33} <= set(numbers)


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


def test_every_page_shows_some():
    assert {entry["page"] for entry in ENTRIES} == PAGES
