"""The book in numbers: counted from the files, and nothing typed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from aigc_book import book_numbers, reading_paths, repository
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of one page."""
    files = {
        "book/_diagrams/a.html": "",
        "book/budgets.json": json.dumps(
            {
                "1_a": {
                    "offline": {"seconds": 150, "peak_memory_mib": 900},
                    "full": {"seconds": 240, "peak_memory_mib": 1200},
                    "download_mib": 2.5,
                },
                "2_b": {"offline": {"seconds": 30, "peak_memory_mib": 1000}, "download_mib": 0},
            }
        ),
        "aigc_tutorial/a.py": "x = 1\n\ny = 2\n",
        "aigc_tutorial/zoo/weights/one/model.bin": "x" * 3 * 2**20,
        "tests/equations/test_a.py": (
            '@pytest.mark.equation("one", "two")\ndef test_a(): ...\n\n\nasync def test_b(): ...\n'
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cells = [
        new_markdown_cell("# 1 Two\n\n```{errata} E1\n```\n\n```{errata-run} E1 E2\n```"),
        new_code_cell("a = 1\n\nplot()", metadata={"aigc": {"captions": {"en": ["A.", "B."]}}}),
        new_code_cell('exercises.check("sum", a)\nexercises.check("sum", b)'),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "book" / "1_a.ipynb")
    return tmp_path


def test_everything_is_counted(small: Path) -> None:
    numbers = book_numbers.count(small)
    assert {name: number for name, number in numbers.items() if "page" not in name} == {
        "Pages that run": "1",
        "Words on them": "1",
        "Code cells": "2",
        "Lines of code in the cells": "4",
        "Numbered equations, each computed on both sides by a test": "2",
        "Numbered figures, films and explorers": "2",
        "Diagrams": "1",
        "Exercises that check themselves": "1",
        "Errata of the source document that are shown": "2",
        "Tests, before their parameters multiply them": "2",
        "Lines of the package": "2",
        "Lines of the tests": "3",
        "Models in the zoo": "1",
        "Size of the zoo": "3 MiB",
    }


def test_budgets_are_summed_in_both_conditions(small: Path) -> None:
    numbers = book_numbers.count(small)
    assert {name: number for name, number in numbers.items() if "page" in name} == {
        "Computing time of all pages without a network": "3 min",
        "Memory of the largest page without a network": "1,000 MiB",
        "Computing time of all pages with the real data": "4 min",
        "Memory of the largest page with the real data": "1,200 MiB",
        "Largest download of a page": "2.5 MiB",
    }


def test_the_page_shows_what_the_files_hold_and_nothing_typed(tmp_path: Path) -> None:
    page = (repository.BOOK / "in_numbers.md").read_text(encoding="utf-8")
    assert re.findall(r"\d", page) == []
    (tmp_path / "index.md").write_text(page)
    app = Sphinx(
        tmp_path, None, tmp_path / "out", tmp_path / "trees", "html",
        confoverrides={"extensions": ["myst_parser", "aigc_book.book_numbers"]}, status=None,
    )  # fmt: skip
    app.build()
    soup = BeautifulSoup((tmp_path / "out" / "index.html").read_text("utf-8"), "html.parser")
    cells = [[cell.text.strip() for cell in row.select("td")] for row in soup.select("tbody tr")]
    assert dict(cells) == book_numbers.count()
    assert dict(cells)["Pages that run"] == str(len(reading_paths.all_pages()))


def test_the_command_on_the_page_prints_the_table() -> None:
    page = (repository.BOOK / "in_numbers.md").read_text(encoding="utf-8")
    path, script = re.findall(r"PYTHONPATH=(\S+) \.venv/bin/python (\S+)", page)[0]
    run = subprocess.run(
        [sys.executable, script],
        cwd=repository.ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == book_numbers.table(book_numbers.count())
