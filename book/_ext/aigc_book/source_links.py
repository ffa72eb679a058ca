"""Links from the package's source back to its reference lead where the reference has the name.

Sphinx guesses the anchor from the module that re-exports a name. Where the reference describes a
module under its own name, the guess is a dead end.
"""

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

BACK = re.compile(r'<a class="viewcode-back" href="([^"#]*)#([^"]+)">\[docs\]</a>')


def known_anchor(module: str, anchor: str, objects: Any) -> str | None:
    """Return the name under which the reference has an object of a module, if it has it."""
    if anchor in objects:
        return anchor
    parts = anchor.split(".")
    tails = (".".join(parts[i:]) for i in range(1, len(parts)))  # of a class's member too
    return next((name for tail in tails if (name := f"{module}.{tail}") in objects), None)


def mend_links(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Point the links of a page of source code at what is there; leave out those without an aim."""
    if not pagename.startswith("_modules/") or "body" not in context:
        return
    module = pagename.removeprefix("_modules/").replace("/", ".")
    objects = app.env.get_domain("py").data["objects"]

    def link(match: re.Match[str]) -> str:
        anchor = known_anchor(module, match[2], objects)
        if anchor is None:
            return ""
        page = context["pathto"](objects[anchor].docname)
        return f'<a class="viewcode-back" href="{page}#{objects[anchor].node_id}">[docs]</a>'

    context["body"] = BACK.sub(link, context["body"])


def forget_modules_without_listing(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Take out of the index what has no source to show: ``builtins``, of an alias of a tuple."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, listing in modules.items() if not listing]:
        del modules[name]
    return iter(())


def setup(app: Sphinx) -> None:
    """Connect to the writing of pages, and before viewcode to the listing of modules."""
    app.connect("html-collect-pages", forget_modules_without_listing, priority=400)
    app.connect("html-page-context", mend_links)
