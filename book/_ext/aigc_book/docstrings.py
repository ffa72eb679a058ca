"""A sentence with a colon stays a sentence in the reference pages.

Napoleon reads the first line of a property's or a constant's docstring as ``type: description`` and
turns the two round. Here types stand in signatures, so nothing has to be taken apart. A first line
that is an empty comment, and shows nothing, is all that Napoleon gets to read that way.
"""

from typing import Any

from sphinx.application import Sphinx

BEFORE_NAPOLEON = 400  # which listens with Sphinx's default priority, 500


def keep_whole(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put an empty comment before the docstring of what is a value."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> None:
    """Listen before Napoleon does."""
    app.connect("autodoc-process-docstring", keep_whole, priority=BEFORE_NAPOLEON)
