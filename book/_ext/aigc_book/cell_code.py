"""Where a cell's code stands on the page: open where it is what the page teaches, else folded.

What a reader came for comes first: a picture, an explorer or a table stands before the code that
made it, and that code is folded under a title that says what it is. Code stays open where it is
itself the matter: definitions, a short step with its printed result, what is to fail, an exercise's
stub, and what the text before announces ("as code, one line each:"). A page's author decides
otherwise in the cell's metadata: ``{"aigc": {"code": "open"}}``, or a title in place of ``open``.
Code that is folded for its length alone, or for a film above it, needs such a title: no rule can
say what it is.
"""

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

OPEN = "open"
LONG, SHORT = 40, 5
"""Longer code is folded, whatever it holds; and so is a measurement longer than a few lines."""


_ANNOUNCED = re.compile(r"\b(?:code|lines?|loop|plain torch)\b[^.!?]*:$")


class Output(Enum):
    """What a cell's output holds, as far as it matters for the order."""

    PICTURE = auto()
    EXPLORER = auto()
    TABLE = auto()
    CHECKS = auto()
    TEXT = auto()


@dataclass(frozen=True)
class Place:
    """Where code stands.

    Attributes:
        title: what it is folded under; none if it is open.
        first: whether it stands before the output.
        shown: whether it is on the page at all.
    """

    title: str | None = None
    first: bool = False
    shown: bool = True


STAYS = Place(first=True)


def place(
    source: str,
    outputs: Collection[Output],
    tags: Collection[str] = (),
    metadata: Mapping[str, Any] | None = None,
    text_before: str = "",
    *,
    helps: bool = False,
) -> Place:
    """Return where a cell's code stands.

    Args:
        source: The code.
        outputs: What its output holds.
        tags: The cell's tags.
        metadata: The cell's metadata.
        text_before: The paragraph above the cell.
        helps: Whether the code makes what a film needs that stands above it.

    Raises:
        ValueError: ``aigc: {code: …}`` is not a text, or is lacking where a title is needed.
    """
    wish = (metadata or {}).get("aigc", {}).get("code")
    if wish is not None and not (isinstance(wish, str) and wish.strip()):
        raise ValueError(f'the metadata "aigc": {{"code": …}} is "open" or a title, got {wish!r}')
    if wish == OPEN:
        return STAYS
    if "colab" in tags:
        return Place("To run this page on Colab", first=True)
    statements = _statements(source)
    if wish is None and len(statements) == 1 and _only_shows(statements[0]):
        return Place(shown=False)
    announced = _ANNOUNCED.search(text_before.strip()) is not None
    if wish is None and (announced or _calls(statements, "exercises", "check")):
        return STAYS
    title = wish or _title(source, statements, outputs, helps or "hide-input" in tags)
    return STAYS if title is None else Place(title)


def _title(
    source: str, statements: list[ast.stmt], outputs: Collection[Output], hidden: bool
) -> str | None:
    """Return what code is folded under, or nothing for code that stays open."""
    drawn = {Output.PICTURE, Output.EXPLORER} & set(outputs)
    measures = Output.TABLE in outputs or _calls(statements, "pages", "expect", "expect_band")
    n_lines = len(source.strip().splitlines())
    if drawn:
        return "How this was measured and drawn" if measures else "How this was drawn"
    if Output.TABLE in outputs:
        return "How this was measured"
    if _sets_up(statements):
        return "What this page imports"
    definitions = [n for n in statements if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    fails = _calls(statements, "pages", "shows_error")  # and the failing code is the point
    named = [node for node in definitions if node.name != "_"]
    if measures and not named and not fails and n_lines > SHORT:
        return "How this was measured"
    if n_lines > LONG or hidden:
        raise ValueError(
            "this code is folded; say in the cell's metadata under what title: "
            '"aigc": {"code": "How each arrow is cut"}'
        )
    return None


def _statements(source: str) -> list[ast.stmt]:
    """Return the top level of the code; nothing for what is not plain Python, as a magic is not."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def _only_shows(statement: ast.stmt) -> bool:
    """Return whether a statement does nothing but show what speaks for itself."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    called = ast.unparse(statement.value.func)
    return called in {"exercises.show_solution", "pages.show_source"} or (
        called.endswith(".show") and called != "plt.show"
    )


def _calls(statements: list[ast.stmt], module: str, *names: str) -> bool:
    """Return whether one of a module's functions is called, anywhere in the code."""
    wanted = {f"{module}.{name}" for name in names}
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in wanted
        for statement in statements
        for node in ast.walk(statement)
    )


def _sets_up(statements: list[ast.stmt]) -> bool:
    """Return whether code is above all imports."""
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    return bool(imports) and len(imports) >= len(statements) / 2
