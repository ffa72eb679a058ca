"""The first cell of every notebook: on Google Colab, and only there, it installs the package.

Colab has torch, torchvision, numpy and most of what the book needs. Replacing one of them breaks
the others, so nothing is installed with its dependencies: the package itself, and the small
packages written in Python alone that Colab lacks. A page that uses extras of the package names them
in its metadata, `"aigc": {"colab": ["export"]}`, and its cell installs what they need, each package
unless Colab has it. `tests/book` holds every notebook's first cell equal to this one;
`make format` writes it.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CELL_ID = "colab"
TAGS = ["colab", "hide-input"]
# Needed by the package or its pages, not on Colab, and without compiled parts.
PURE_PYTHON = ("jaxtyping", "wadler_lindig", "torchmetrics", "lightning_utilities")
# What some pages need besides: the packages of an extra, with what these need and Colab may lack.
EXTRAS = {
    "export": ("onnx", "onnxruntime", "onnxscript", "onnx_ir", "ml_dtypes", "protobuf"),
    "search": ("optuna", "alembic", "colorlog", "mako", "sqlalchemy"),
    "serve": ("fastapi", "starlette", "uvicorn", "prometheus_client"),
}


def colab_source(extras: Sequence[str] = ()) -> str:
    """Return the cell's code, for a page that uses these extras."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    repository = document["project"]["urls"]["Repository"]
    lines = "".join(
        f"\n    %pip install --quiet --no-deps {' '.join(EXTRAS[extra])}" for extra in extras
    )
    return (
        "# On Google Colab only: install the book's package. Colab keeps its own torch and numpy.\n"
        "import sys\n"
        "\n"
        'if "google.colab" in sys.modules:\n'
        f"    %pip install --quiet --no-deps git+{repository}\n"
        f"    %pip install --quiet --no-deps {' '.join(PURE_PYTHON)}{lines}"
    )


def colab_cell(extras: Sequence[str] = ()) -> Any:
    """Return the cell as a notebook node."""
    return nbformat.v4.new_code_cell(
        colab_source(extras), id=CELL_ID, metadata={"tags": list(TAGS)}, outputs=[]
    )


def extras_of(notebook: Any) -> tuple[str, ...]:
    """Return the extras that a notebook names in its metadata."""
    return tuple(notebook.metadata.get("aigc", {}).get("colab", ()))
