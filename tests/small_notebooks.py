"""Notebooks for the small books of tests, in the form that the book's own have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import clean_notebooks
import nbformat


def write(path: Path, cells: Sequence[Any]) -> None:
    """Write cells as a notebook, numbered from ``cell-000``."""
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": clean_notebooks.KERNEL, "language_info": clean_notebooks.LANGUAGE}
    )
    nbformat.write(notebook, path)
