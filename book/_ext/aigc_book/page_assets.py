"""A page loads the scripts that it uses, and none before its text is shown.

Extensions add theirs to every page. Here those go that find nothing to do on this one; the rest is
deferred, in the order in which it stands.
"""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_TOGGLES = r'class="[^"]*(?:\btoggle\b|\badmonition\b[^"]*\bdropdown\b)'
_CODE = r'class="highlight\b'
# Words in a file's name, or in a script's text, and what the page holds that uses it.
USED_BY = {
    "togglebutton": _TOGGLES,
    "toggleHint": _TOGGLES,
    "toggleOpenOnPrint": _TOGGLES,
    "design-tabs": r'class="[^"]*\bsd-tab-set\b',
    "copybutton": _CODE,
    "clipboard": _CODE,
    "sphinx-thebe": r"(?!)",  # nothing: the book does not use Thebe
}


def is_used(asset: Any, body: str) -> bool:
    """Return whether a script finds something to do in a page.

    Args:
        asset: As Sphinx keeps it, with ``filename`` and ``attributes``, or a file's name alone.
        body: The page's HTML.
    """
    name = str(getattr(asset, "filename", None) or asset)
    text = str(getattr(asset, "attributes", {}).get("body") or "")
    users = [user for words, user in USED_BY.items() if words in name or words in text]
    return all(re.search(user, body) for user in users)


def deferred(tag: str) -> str:
    """Return a script's tag so that it waits for the page's text.

    A script in the page itself cannot wait, unless it is a module; those that use what a deferred
    file defines become one.
    """
    if " src=" in tag:
        return (
            tag
            if re.search(r"\b(?:defer|async)\b", tag)
            else tag.replace("<script", "<script defer")
        )
    if tag.startswith("<script>DOCUMENTATION_OPTIONS."):
        return tag.replace("<script>", '<script type="module">')
    return tag


def choose_assets(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Leave to a page what it uses, and have its scripts wait."""
    body = str(context.get("body", ""))
    context["script_files"] = [s for s in context["script_files"] if is_used(s, body)]
    tag_of: Callable[[Any], str] = context["js_tag"]
    context["js_tag"] = lambda script: deferred(tag_of(script))


def setup(app: Sphinx) -> None:
    """Connect after everything that adds scripts to a page."""
    app.connect("html-page-context", choose_assets, priority=950)
