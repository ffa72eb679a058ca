"""What the pages use of the package: the reference says where, and each page says what.

The code of a page's cells is read, not run: its imports from the package say what a name means, and
the first cell that takes a function or a class in hand is where a reader sees it at work. Under
each entry of the reference stands "Used in", with a link to that cell of every page; at the end of
each page a fold lists what it uses, with links to the reference. Of an object's method the entry of
its class counts when the class is named; what a variable holds is not known without running it. A
function, class or value that the reference lacks is a warning, which fails the build.
"""

import ast
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from inspect import isclass, isfunction
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry, PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from .folds import Fold
from .places import CELL, places_of
from .repository import BOOK

logger = logging.getLogger(__name__)

PACKAGE = "aigc_tutorial"
AFTER_SEARCH = 600  # which keeps a page's words at Sphinx's default priority, 500
TITLE = "What this page uses of the package"


class Link(NamedTuple):
    """A link that a page is given: where it is written, what it says, where it leads."""

    under: str  # name of a subpackage on a page, anchor of an entry in the reference
    text: str
    docname: str
    anchor: str


class Names(ast.NodeVisitor):
    """Collects the full names of what code takes from the package.

    Attributes:
        used: full names in their order, with as many attributes as the code writes.
    """

    def __init__(self) -> None:
        self.used: list[str] = []
        self._meaning: dict[str, str] = {}

    def visit_Import(self, node: ast.Import) -> None:
        """Note what ``import aigc_tutorial.gan as gan`` means."""
        for name in node.names:
            if name.name.partition(".")[0] == PACKAGE:
                self._meaning[name.asname or PACKAGE] = name.name if name.asname else PACKAGE

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Note what ``from aigc_tutorial.gan import losses`` means."""
        if (node.module or "").partition(".")[0] == PACKAGE:
            for name in node.names:
                self._meaning[name.asname or name.name] = f"{node.module}.{name.name}"

    def visit_Name(self, node: ast.Name) -> None:
        """Note a name that was imported."""
        if node.id in self._meaning:
            self.used.append(self._meaning[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Note a name with its attributes as one."""
        attributes: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            attributes.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in self._meaning:
            self.used.append(".".join([self._meaning[inner.id], *attributes]))
        else:
            self.visit(inner)


def names_in(cells: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the full names that a notebook's code uses, each with the first cell that does."""
    reader = Names()
    first: dict[str, str] = {}
    for cell in cells:
        if cell["cell_type"] == "code" and CELL.fullmatch(cell["id"]):  # Colab's cell has none
            reader.visit(ast.parse("".join(cell["source"])))
            for name in reader.used:
                first.setdefault(name, cell["id"])
            reader.used.clear()
    return first


@cache
def names_of(path: Path, changed: int) -> Mapping[str, str]:
    """Return ``names_in`` of a notebook; ``changed``, the file's time, makes it be read again."""
    return names_in(json.loads(path.read_text(encoding="utf-8"))["cells"])


def pages() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each notebook of the book, in order, with the names that it uses."""
    for path in sorted(BOOK.glob("[0-9]*.ipynb")):
        yield path.stem, names_of(path, path.stat().st_mtime_ns)


def find_entry(name: str, objects: Mapping[str, ObjectEntry]) -> ObjectEntry | None:
    """Return the reference's entry of a full name, or of the class to which it belongs.

    The reference may know a function by its own module, or by a package that passes it on.
    """
    for path, thing in things(name):
        names = [path]
        if isclass(thing) or isfunction(thing):
            own_name = str(thing.__name__)
            for room in accumulate(thing.__module__.split("."), "{}.{}".format):
                if getattr(module_at(room), own_name, None) is thing:
                    names.append(f"{room}.{own_name}")
        for known in names:
            if known in objects and objects[known].objtype != "module":
                return objects[known]
    return None


def needs_entry(name: str) -> bool:
    """Return whether a full name is that of a function, class or value of the package.

    A module is none, and what begins with two underscores is Python's.
    """
    if any(part.startswith("__") for part in name.split(".")):
        return False
    return not any(isinstance(thing, ModuleType) for path, thing in things(name) if path == name)


def things(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the package, what of it the full name leads through, and at last what it means."""
    thing: Any = None
    for path in accumulate(name.split("."), "{}.{}".format):
        thing = getattr(thing, path.rpartition(".")[2], None) or module_at(path)
        yield path, thing


def module_at(path: str) -> Any:
    """Return the module of this name, None if there is none."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return None


def all_links(env: BuildEnvironment) -> dict[str, list[Link]]:
    """Return the links that each page of the book is given, in both directions."""
    domain = env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    docnames = {docname.rpartition("/")[2]: docname for docname in env.found_docs}
    shown = {(entry.docname, entry.node_id): name for name, entry in named(domain.objects)}
    links: dict[str, list[Link]] = {}
    for page, names in pages():
        if page not in docnames:
            continue
        docname = docnames[page]
        cells: dict[ObjectEntry, str] = {}
        for name, cell in names.items():
            if (entry := find_entry(name, domain.objects)) is not None:
                entry = entry._replace(aliased=False)
                cells[entry] = min(cell, cells.get(entry, cell))
            elif needs_entry(name):
                logger.warning(
                    "%s uses %s, and the reference in book/api has no entry of it",
                    *(cell, name),
                    location=docname,
                )
        for entry, cell in sorted(cells.items(), key=lambda item: shown[item[0][:2]]):
            room, _, short = shown[entry[:2]].removeprefix(f"{PACKAGE}.").partition(".")
            links.setdefault(docname, []).append(Link(room, short, *entry[:2]))
            number = places_of(page)[cell].number or page
            links.setdefault(entry.docname, []).append(Link(entry.node_id, number, docname, cell))
    return links


def named(objects: Mapping[str, ObjectEntry]) -> Iterator[tuple[str, ObjectEntry]]:
    """Yield the objects under the names that the reference shows, without their other names."""
    return ((name, entry) for name, entry in objects.items() if not entry.aliased)


def note_links(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Set the links down before the pages are written; return the pages whose links changed."""
    before: dict[str, list[Link]] = getattr(env, "aigc_uses", {})
    after = all_links(env)
    env.aigc_uses = after  # type: ignore[attr-defined]
    changed = {
        docname for docname in {*before, *after} if before.get(docname) != after.get(docname)
    }
    return sorted(changed & env.found_docs)


def write_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write a page's links into it."""
    links: list[Link] = app.env.aigc_uses.get(docname, [])  # type: ignore[attr-defined]
    if not links:
        return

    def line(title: str, under: str, *, code: bool) -> nodes.paragraph:
        made = nodes.paragraph("", "", nodes.strong("", title), nodes.Text(" "), classes=["uses"])
        for number, link in enumerate(link for link in links if link.under == under):
            uri = f"{app.builder.get_relative_uri(docname, link.docname)}#{link.anchor}"
            text = nodes.literal("", link.text) if code else nodes.Text(link.text)
            made += nodes.Text(", " if number else "")
            made += nodes.reference("", "", text, internal=True, refuri=uri)
        return made

    groups = list(dict.fromkeys(link.under for link in links))
    entries = {
        anchor: signature.parent
        for signature in doctree.findall(addnodes.desc_signature)
        for anchor in signature["ids"]
    }
    if groups[0] in entries:
        for anchor in groups:
            (content,) = (c for c in entries[anchor] if isinstance(c, addnodes.desc_content))
            members = (i for i, child in enumerate(content) if isinstance(child, addnodes.desc))
            where = next(members, len(content))
            content.insert(where, line("Used in", anchor, code=False))
        return
    fold = Fold("", title=TITLE, size=f"{len(links)} names", classes=["fold-uses"])
    fold += [line(room, room, code=True) for room in groups]
    next(doctree.findall(nodes.section)).append(fold)


def setup(app: Sphinx) -> None:
    """Connect to the end of reading, and to the writing of pages."""
    app.connect("env-updated", note_links)
    app.connect("doctree-resolved", write_links, priority=AFTER_SEARCH)
