"""The first cell of every notebook: on Google Colab, and only there, it installs the package.

Colab has torch, torchvision, numpy and most of what the book needs. Replacing one of them breaks
the others, so nothing is installed with its dependencies: the package itself, and the small
packages written in Python alone that Colab lacks. `tests/book` holds every notebook's first cell
equal to this one; `make format` writes it.
"""

import tomllib
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CELL_ID = "colab"
TAGS = ["colab", "hide-input"]
# Needed by the package or its pages, not on Colab, and without compiled parts.
PURE_PYTHON = ("jaxtyping", "wadler_lindig", "torchmetrics", "lightning_utilities")


def colab_source() -> str:
    """Return the cell's code."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    repository = document["project"]["urls"]["Repository"]
    return (
        "# On Google Colab only: install the book's package. Colab keeps its own torch and numpy.\n"
        "import sys\n"
        "\n"
        'if "google.colab" in sys.modules:\n'
        f"    %pip install --quiet --no-deps git+{repository}\n"
        f"    %pip install --quiet --no-deps {' '.join(PURE_PYTHON)}"
    )


def colab_cell() -> Any:
    """Return the cell as a notebook node."""
    return nbformat.v4.new_code_cell(
        colab_source(), id=CELL_ID, metadata={"tags": list(TAGS)}, outputs=[]
    )
