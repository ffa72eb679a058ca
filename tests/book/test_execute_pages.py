"""The pages are executed as the book needs them."""

from pathlib import Path

import execute_pages
import nbformat
from aigc_book import budget
from clean_notebooks import notebooks

PIECES = 'for piece in ("one ", "two\\n", "three"):\n    print(piece, end="", flush=True)'


def test_all_notebooks_are_in_the_contents_and_the_costliest_begin() -> None:
    pages = execute_pages.pages()
    assert sorted(pages) == notebooks()
    budgets = budget.read_budgets()
    seconds = [budgets[page.stem]["seconds"] for page in pages if page.stem in budgets]
    assert seconds == sorted(seconds, reverse=True)


def test_pieces_of_a_printed_line_stay_together(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    cell = nbformat.v4.new_code_cell(PIECES)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    result = execute_pages.execute(path, timeout=120)
    assert result.err is None
    (output,) = result.nb.cells[0].outputs
    assert output.text == "one two\nthree"
