"""The ``package-map`` directive: the subpackages on their floors, and who imports whom.

The floors are those of the contract in ``pyproject.toml``, the arrows are read from the package's
code, and the drawing is made from both by ``make diagrams``: a map that the code has left behind
has no drawing, and the build says so. An arrow is left out where other arrows lead to the same
place; what stands on the ground floor, which nearly all import, is drawn in one box.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .mermaid import MermaidDirective
from .repository import ROOT

PACKAGE = ROOT / "aigc_tutorial"
CONTRACT = ROOT / "pyproject.toml"
Imports = Mapping[str, frozenset[str]]


def floors(contract: Path = CONTRACT) -> list[list[str]]:
    """Return what stands on each floor, the highest first."""
    settings = tomllib.loads(contract.read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in settings["contracts"] if c["type"] == "layers")
    return [re.findall(r"\w+", layer) for layer in layers]


def imports(package: Path = PACKAGE) -> Imports:
    """Return what each subpackage or module of a package imports from the others."""
    modules = [*package.glob("*.py"), *(path.parent for path in package.glob("*/__init__.py"))]
    rooms = {path.stem for path in modules}
    found: dict[str, set[str]] = {room: set() for room in sorted(rooms - {"__init__"})}
    for path in package.rglob("*.py"):
        module = path.relative_to(package.parent).with_suffix("").parts
        if len(module) > 1 and module[1] in found:
            for name in imported(ast.parse(path.read_text(encoding="utf-8")), module):
                if name[0] == package.name and len(name) > 1 and name[1] in found:
                    found[module[1]].add(name[1])
    return {room: frozenset(others - {room}) for room, others in found.items()}


def imported(tree: ast.Module, module: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the full names that a module's code imports, as their parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(name.name.split(".")) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module[: len(module) - node.level] if node.level else ()
            source = (*above, *(node.module.split(".") if node.module else ()))
            yield from ((*source, name.name) for name in node.names)


def reached(start: str, arrows: Imports) -> set[str]:
    """Return all that is imported from some place, by others too."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def needed(arrows: Imports) -> Imports:
    """Return the arrows without those that follow from others."""
    return {
        room: frozenset(
            other
            for other in others
            if not any(other in reached(between, arrows) for between in others - {other})
        )
        for room, others in arrows.items()
    }


def drawn() -> tuple[list[list[str]], Imports]:
    """Return the floors and the arrows that the picture shows, without the ground floor's."""
    *upper, _ = [[room for room in floor if room != "__main__"] for floor in floors()]
    shown = [floor for floor in upper if floor]
    rooms = {room for floor in shown for room in floor}
    arrows = imports()
    return shown, needed({room: arrows[room] & rooms for room in arrows if room in rooms})


def mermaid() -> str:
    """Return the map in Mermaid's language."""
    shown, arrows = drawn()
    ground = floors()[-1]
    lines = ["flowchart TB", *(f'  {room}["{room}"]' for floor in shown for room in floor)]
    lines.append(f'  ground["{", ".join(ground)}"]')
    for room in (room for floor in shown for room in floor):
        lines += [f"  {room} --> {other}" for other in sorted(arrows[room])]
    lines += [f"  {room} ~~~ ground" for room in shown[-1]]  # no arrow, but below
    half = len(shown) // 2  # its floor stands in both parts
    parts = [shown[: half + 1], [*shown[half:], ["ground"]]]
    names = (" ".join(room for floor in part for room in floor) for part in parts)
    return "\n".join([*lines, f"  %% phone: {' | '.join(names)}"])


def description() -> str:
    """Return the map in words."""
    shown, arrows = drawn()
    from_above = "; ".join(", ".join(floor) for floor in [*shown, floors()[-1]])
    follow = "; ".join(
        f"{room} imports {', '.join(sorted(arrows[room]))}"
        for floor in shown
        for room in floor
        if arrows[room]
    )
    return f"The subpackages in floors, from the highest: {from_above}. Arrows: {follow}."


class PackageMapDirective(SphinxDirective):
    """The map of the package, as a diagram."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the diagram's node."""
        for path in (CONTRACT, *PACKAGE.rglob("*.py")):
            self.env.note_dependency(str(path))
        content = StringList(mermaid().splitlines(), source="package-map")
        return MermaidDirective(
            self.name, [], {"alt": description()}, content, self.lineno, self.content_offset,
            self.block_text, self.state, self.state_machine,
        ).run()  # fmt: skip


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("package-map", PackageMapDirective)
