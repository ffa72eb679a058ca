"""Bring every notebook of the book into its committed form. Run by ``make format``.

No outputs and no execution counts (but for the cells whose outputs are compared), the same kernel
for all, the Colab cell first, and every cell an id that does not change from one save to the next.
"""

import sys
from pathlib import Path
from typing import Any

import nbformat
from colab_cell import CELL_ID, colab_cell, extras_of

from aigc_tutorial.files import replace_file

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}
COMPARED = "nbval-check-output"


def notebooks() -> list[Path]:
    """Return the book's notebooks in order."""
    return sorted((ROOT / "book").glob("*.ipynb"))


def clean(notebook: Any) -> Any:
    """Return the notebook in its committed form; outputs of compared cells stay."""
    ours = {"aigc": notebook.metadata["aigc"]} if "aigc" in notebook.metadata else {}
    notebook.metadata = nbformat.from_dict(
        {**ours, "kernelspec": KERNEL, "language_info": LANGUAGE}
    )
    cells = [cell for cell in notebook.cells if "colab" not in cell.metadata.get("tags", [])]
    first_code = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    cells.insert(first_code, colab_cell(extras_of(notebook)))
    for number, cell in enumerate(cells):
        if cell.get("id") != CELL_ID:
            cell["id"] = f"cell-{number:03d}"
        for key in ("execution", "collapsed", "scrolled", "jupyter"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            if COMPARED not in cell.metadata.get("tags", []):
                cell["outputs"] = []
            # nbval takes a cell with outputs but without a count for a fault.
            cell["execution_count"] = 1 if cell["outputs"] else None
    notebook.cells = cells
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def main() -> int:
    """Clean all notebooks; print those that changed."""
    for path in notebooks():
        before = path.read_text(encoding="utf-8")
        after = nbformat.writes(clean(nbformat.reads(before, as_version=4))) + "\n"
        if after != before:
            with replace_file(path) as temporary:
                temporary.write_text(after, encoding="utf-8")
            print(f"cleaned {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
