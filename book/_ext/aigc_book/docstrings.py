"""What the docstrings of values need, to stand in the reference pages.

**A sentence with a colon stays a sentence.** Napoleon reads the first line of a property's or a
constant's docstring as ``type: description`` and turns the two round. Here types stand in
signatures, so nothing has to be taken apart. A first line that is an empty comment, and shows
nothing, is all that Napoleon gets to read that way.

**A constant has its docstring in every package that passes it on.** It stands in the source of one
module, and a value does not know its module, so autodoc leaves it out of a package's page.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

from .repository import ROOT

PACKAGE = ROOT / "aigc_tutorial"
BEFORE_NAPOLEON = 400  # which listens with Sphinx's default priority, 500


def keep_whole(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put an empty comment before the docstring of what is a value."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def passed_on(path: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of what a package's ``__init__.py`` takes from its modules."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                if node.module and name.asname in (None, name.name):
                    yield node.module, name.name


def pass_on(app: Sphinx) -> None:
    """Give each package the docstrings of the constants that it passes on."""
    # Autodoc asks the analyzer of a module, of which there is one, for its constants' docstrings.
    for path in sorted(PACKAGE.rglob("__init__.py")):
        package = ".".join(path.parent.relative_to(PACKAGE.parent).parts)
        own = ModuleAnalyzer.for_module(package).find_attr_docs()
        for module, name in passed_on(path):
            try:
                docstring = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name))
            except PycodeError:  # a package that is not written in Python
                continue
            if docstring:
                own.setdefault(("", name), docstring)


def setup(app: Sphinx) -> None:
    """Listen before Napoleon does, and before a module is read."""
    app.connect("autodoc-process-docstring", keep_whole, priority=BEFORE_NAPOLEON)
    app.connect("builder-inited", pass_on)
