"""Where a notebook's cells make explorers."""

import ast

from aigc_tutorial.viz import widgets

# Those of `viz.widgets`, and the conversation of `apps.support`.
EXPLORERS = {*(f"viz.widgets.{name}" for name in set(widgets.__all__) - {"picture"}), "chat"}


def explorer_calls(code: ast.AST) -> list[ast.Call]:
    """Return the calls that make an explorer."""
    return [
        node
        for node in ast.walk(code)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in EXPLORERS
    ]


def shown_calls(code: ast.Module) -> list[ast.Call]:
    """Return those of a cell that its reader sees: its end, and what it displays."""
    shown: list[ast.AST] = [
        node
        for node in ast.walk(code)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "display"
    ]
    if code.body and isinstance(code.body[-1], ast.Expr):
        shown.append(code.body[-1])
    return [call for part in shown for call in explorer_calls(part)]
