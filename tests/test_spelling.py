"""A misspelt word in code, on a page or in a file of the book fails `make lint`."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import tasks
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
# Spelled in pieces, so that this file is not found to be wrong itself.
WRONG = "sepe" + "rate"


def found(path: Path) -> list[str]:
    """Return what the check says of a file, under the settings of this repository."""
    command = [sys.executable, "-m", "codespell_lib", "--toml", "pyproject.toml", str(path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode == 0) == (not result.stdout), result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("module.py", "def f() -> None:\n    # We {word} them.\n"),
        ("module.py", 'def f() -> None:\n    """{word} them."""\n'),
        ("page.md", "# Title\n\nTwo networks {word} them.\n"),
        ("entries.yml", "- right: Two networks {word} them.\n"),
    ],
)
def test_a_misspelt_word_is_found_and_the_right_one_is_not(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text.format(word=WRONG))
    (line,) = found(path)
    assert f"{WRONG} ==> separate" in line
    path.write_text(text.format(word="separate"))
    assert found(path) == []


@pytest.mark.parametrize("new_cell", [new_markdown_cell, new_code_cell])
def test_notebooks_are_read_in_text_and_comments(tmp_path: Path, new_cell: type) -> None:
    path = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=[new_cell(f"# First\n# {WRONG}\n# last")]), path)
    assert len(found(path)) == 1


def test_lint_reads_all_that_people_write() -> None:
    assert set(tasks.SPELT) == {
        *("aigc_tutorial", "benchmarks", "book", "tests", "tools"),
        *("README.md", "CONTRIBUTING.md"),
    }
