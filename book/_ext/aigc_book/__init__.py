"""The book's own Sphinx extension: what Jupyter Book does not bring.

- ``execution_cache``: notebooks run again when the package changes, and only then;
- ``javascript``: MathJax and the widget manager, fetched once;
- ``formulas``: TeX, typeset while the book is built;
- ``page_scripts``: which scripts a page loads, and in which order;
- ``page_assets``, ``pictures``, ``theme_files``: what is not used is not loaded, and nothing jumps;
- ``docstrings``: what Napoleon would take apart in the reference pages;
- ``mermaid``, ``budget``, ``errata``, ``equations``: what a page's author writes.

``CONTRIBUTING.md``, "Writing a page", shows how to use each.
"""

from typing import Any

from sphinx.application import Sphinx

from . import (
    budget,
    docstrings,
    equations,
    errata,
    execution_cache,
    formulas,
    javascript,
    mermaid,
    page_assets,
    page_scripts,
    pictures,
    theme_files,
)

PARTS = (
    execution_cache, javascript, formulas, page_scripts, docstrings,
    mermaid, budget, errata, equations, pictures, page_assets, theme_files,
)  # fmt: skip


def setup(app: Sphinx) -> dict[str, Any]:
    """Register every part with Sphinx."""
    for part in PARTS:
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
