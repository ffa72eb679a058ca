"""The plugin that runs the notebooks as tests stops one that needs too much memory."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

TOOLS = Path(__file__).resolve().parents[2] / "tools"
CONFTEST = """
from functools import partial

import notebook_report

notebook_report.KernelWatch = partial(notebook_report.KernelWatch, limit_mib=400)
"""


def run(folder: Path, *cells: str, given: Sequence[str] = ()) -> str:
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / "page.ipynb")
    (folder / "conftest.py").write_text(CONFTEST)
    options = ["-p", "notebook_report", "-p", "no:cacheprovider", "--nbval-lax"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--nbval-current-env", *given, "page.ipynb"],
        cwd=folder,
        env={"PYTHONPATH": str(TOOLS), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit {result.returncode}\n{result.stdout}"


def test_a_page_within_its_memory_passes_and_its_peak_is_told(tmp_path: Path) -> None:
    report = run(tmp_path, "much = bytearray(100 * 2**20)", "assert len(much) == 100 * 2**20")
    assert report.startswith("exit 0\n"), report
    assert "2 cells" in report
    peak = next(line for line in report.splitlines() if "2 cells" in line).split()[2]
    assert 100 < float(peak) < 400


def test_a_page_that_needs_more_is_stopped_and_its_other_cells_fail_too(tmp_path: Path) -> None:
    too_much = "import time; much = bytearray(600 * 2**20); time.sleep(60)"
    # nbval waits for a kernel that is dead as for one that is slow.
    report = run(tmp_path, too_much, "1 + 1", given=["--nbval-cell-timeout=10"])
    assert report.startswith("exit 1\n"), report
    assert "The kernel needed more than 400 MiB and was stopped." in report
    assert "FAILED (not run, after a timeout?)" in report
