"""The pages are executed as the book needs them, and one that breaks is named with its cell."""

from collections.abc import Sequence
from pathlib import Path

import execute_pages
import nbformat
import pytest
from aigc_book import budget
from clean_notebooks import notebooks
from jupyter_cache import get_cache
from run_pages import environment_of, run_page

PIECES = 'for piece in ("one ", "two\\n", "three"):\n    print(piece, end="", flush=True)'


def write_page(folder: Path, name: str, cells: Sequence[str]) -> Path:
    path = folder / f"{name}.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)
    return path


def test_all_notebooks_are_in_the_contents_and_the_costliest_begin() -> None:
    pages = execute_pages.pages()
    assert sorted(pages) == notebooks()
    budgets = budget.read_budgets()
    seconds = [budgets[page.stem]["offline"]["seconds"] for page in pages if page.stem in budgets]
    assert seconds == sorted(seconds, reverse=True)


def test_pieces_of_a_printed_line_stay_together(tmp_path: Path) -> None:
    run = run_page(write_page(tmp_path, "page", [PIECES]), seconds_cell=120)
    assert run.failure is None
    (output,) = run.notebook.cells[0].outputs
    assert output.text == "one two\nthree"


def test_a_page_whose_kernel_dies_is_named_and_the_other_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write_page(tmp_path, "bad", ["x = 1", "import os; os._exit(9)", "print(x)"])
    good = write_page(tmp_path, "good", ["print(2)"])
    monkeypatch.setattr(execute_pages, "pages", lambda: [bad, good])
    folder = tmp_path / "cache"
    assert execute_pages.execute_missing(folder) == ["bad"]
    assert "bad [1] lost its kernel" in capsys.readouterr().err
    assert execute_pages.missing(get_cache(str(folder))) == [bad]


def test_a_page_that_needs_too_much_memory_is_stopped_in_its_cell(tmp_path: Path) -> None:
    hungry = "import time\nblock = b'x' * 2**30\ntime.sleep(30)"
    run = run_page(write_page(tmp_path, "page", ["x = 1", hungry]), limit_mib=500)
    assert run.failure == "page [1] needed more than 500 MiB of memory and was stopped"
    assert run.peak_mib > 500
    assert [cell.index for cell in run.cells] == [0, 1]


def test_a_failing_cell_is_named_with_its_error(tmp_path: Path) -> None:
    run = run_page(write_page(tmp_path, "page", ["x = 1", "1 / 0"]))
    assert run.failure is not None
    assert run.failure.startswith("page [1] failed:")
    assert "ZeroDivisionError" in run.failure


def test_full_data_that_are_not_all_there_are_no_full_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_TUTORIAL_DATA", str(tmp_path))
    monkeypatch.setenv("AIGC_TUTORIAL_CACHE", str(tmp_path))
    with pytest.raises(SystemExit, match="MNIST training images"):
        environment_of("full")
    offline = environment_of("offline")
    assert "AIGC_TUTORIAL_DATA" not in offline
    assert offline["AIGC_TUTORIAL_OFFLINE"] == "1"
