"""One style sheet for all pages, with the rules that some page uses.

The theme and the extensions bring eighteen sheets, one of them behind another. A phone draws
nothing before it has the last, and reads each rule. So the sheets are joined after the build, in
the order in which pages would have them; rules of classes that stand in no page and in no script
are left out.
The formulas' sheet stays by itself: half of its weight are fonts, and not all pages need them.

Browsers keep a sheet as long as its address is the same. So the address ends in a digest of the
sheet, which is known when the last page was written, and is then put into all of them.
"""

import hashlib
import itertools
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tinycss2
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from tinycss2.ast import Node

from . import formulas
from .fonts import write_whole
from .theme_files import SHEET as THEME

SHEET = "styles/book.css"
# What the theme's own templates load before all others; `basic.css` they import.
FIRST = ("basic.css", THEME)
# Holds the import of the first, and nothing else.
UNUSED = ("styles/theme.css",)
# Put together by Bootstrap's script, of tooltips: `bs-${NAME}-auto`.
OF_PIECES = frozenset({"bs-tooltip-auto"})
_CLASSES = re.compile(r'\bclass="([^"]*)"')
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_ADDRESS = re.compile(r"""url\((['"]?)(?!data:|#|\w+://)([^'")]+)\1\)""")
_ADDRESSED = re.compile(rf"({re.escape(SHEET)}\?v=)[0-9a-f]*")
_GROUPS = ("media", "supports", "container", "layer")


def used_names(pages: Iterable[str], scripts: Iterable[str]) -> set[str]:
    """Return the classes of some pages, and each word of some scripts: they may set it."""
    names = {name for page in pages for names in _CLASSES.findall(page) for name in names.split()}
    return names.union(OF_PIECES, *(_NAME.findall(script) for script in scripts))


def classes_of(selector: list[Node]) -> set[str]:
    """Return the classes that an element must have; not those in brackets, as of ``:not(.a)``."""
    return {
        token.value
        for before, token in itertools.pairwise(selector)
        if before == "." and token.type == "ident"
    }


def selectors_of(prelude: list[Node]) -> Iterator[list[Node]]:
    """Yield what stands between the commas before a rule's braces."""
    selector: list[Node] = []
    for token in prelude:
        if token == ",":
            yield selector
            selector = []
        else:
            selector.append(token)
    yield selector


def reduced(rules: Iterable[Node], names: set[str]) -> str:
    """Return style rules without those of classes that are not used.

    Args:
        rules: As ``tinycss2`` reads them.
        names: The classes that are used.
    """
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            seen = [s for s in selectors_of(rule.prelude) if classes_of(s) <= names]
            if seen:
                head = ",".join(tinycss2.serialize(selector).strip() for selector in seen)
                kept.append(f"{head}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in _GROUPS and rule.content:
            inner = reduced(rules_of(rule.content), names)
            if inner:
                head = tinycss2.serialize(rule.prelude).strip()
                kept.append(f"@{rule.at_keyword} {head}{{{inner}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword not in ("charset", "import"):
            kept.append(rule.serialize())
    return "\n".join(kept)


def rules_of(css: str | list[Node]) -> list[Node]:
    """Return the rules of a sheet, or of what stands between the braces of one."""
    rules: list[Node] = tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True)
    return rules


def moved(css: str, name: str) -> str:
    """Return a sheet with its addresses as they are told from the joined sheet.

    Args:
        css: The sheet.
        name: Where it was, below `_static`.
    """

    def told(match: re.Match[str]) -> str:
        path = posixpath.join(posixpath.dirname(name), match[2])
        return f'url("{posixpath.relpath(path, posixpath.dirname(SHEET))}")'

    return _ADDRESS.sub(told, css)


def address(html: str, css: str) -> str:
    """Return a page that asks for the joined sheet as it is, and for no earlier one.

    Args:
        html: The page, with any digest in the sheet's address or none.
        css: The sheet.
    """
    return _ADDRESSED.sub(rf"\g<1>{hashlib.sha256(css.encode()).hexdigest()[:8]}", html)


class Sheets:
    """The sheets of one build: what the pages ask for, joined at its end.

    Attributes:
        names: What pages would have loaded, below `_static`, in their order.
        first: The first page that was written; it loads all that others load.
    """

    def __init__(self) -> None:
        """Begin with what stands in the theme's templates."""
        self.names = dict.fromkeys(FIRST)
        self.first: str | None = None

    def choose(
        self,
        app: Sphinx,
        pagename: str,
        templatename: str,
        context: dict[str, Any],
        doctree: nodes.document,
    ) -> None:
        """Let a page load the joined sheet, before it the formulas' where it has some."""
        own = f"_static/{formulas.STYLE_SHEET}"
        wanted = {str(getattr(sheet, "filename", sheet)): sheet for sheet in context["css_files"]}
        context["css_files"] = [wanted.pop(own)] if own in wanted else []
        names = dict.fromkeys(name.removeprefix("_static/") for name in wanted)
        if self.first is None:
            self.first = pagename
            self.names |= names
        elif lacking := names.keys() - self.names:
            raise ExtensionError(
                f"{pagename} loads {sorted(lacking)}, which {self.first} does not. Load it on all "
                "pages: several processes write them, and the sheets of the first are joined."
            )
        context["book_sheet"] = context["pathto"](f"_static/{SHEET}", 1) + "?v="

    def write(self, app: Sphinx, exception: Exception | None) -> None:
        """Join the sheets; those that were joined leave the book, Sphinx copies them anew."""
        if exception is not None or app.builder.format != "html":
            return
        static = Path(app.outdir, "_static")
        pages = {p: p.read_text(encoding="utf-8") for p in Path(app.outdir).rglob("*.html")}
        scripts = (p.read_text(encoding="utf-8") for p in static.rglob("*.js"))
        names = used_names(pages.values(), scripts)
        texts = {name: (static / name).read_text(encoding="utf-8") for name in self.names}
        sheets = (reduced(rules_of(moved(css, name)), names) for name, css in texts.items())
        css = "\n".join(['@charset "UTF-8";', *sheets]) + "\n"
        write_whole(static / SHEET, css)
        for path, html in pages.items():
            if (addressed := address(html, css)) != html:
                write_whole(path, addressed)
        for name in (*self.names, *UNUSED):
            (static / name).unlink(missing_ok=True)


def setup(app: Sphinx) -> None:
    """Connect to the pages after all that add a sheet, and to the end after the theme's files."""
    sheets = Sheets()
    app.connect("html-page-context", sheets.choose, priority=960)
    app.connect("build-finished", sheets.write, priority=700)
