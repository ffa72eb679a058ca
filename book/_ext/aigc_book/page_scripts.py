"""Which scripts a page loads: all from this book, none from elsewhere."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

WIDGETS = "lib/html-manager/embed.js"
# The theme's FontAwesome replaces <i> by <svg>, which breaks the buttons of the Play widget;
# nested, the <i> stays and the svg is put inside.
FONT_AWESOME = "window.FontAwesomeConfig = {autoReplaceSvg: 'nest'};"


def use_local_scripts(app: Sphinx, config: Config) -> None:
    """Point at the copy of the widget manager in ``_static/lib``."""
    config.nb_ipywidgets_js = {WIDGETS: {}}


def drop_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Take out the scripts of Thebe, which is not used and names a server elsewhere."""

    def is_thebe(script: Any) -> bool:
        filename = str(getattr(script, "filename", None) or script)
        body = str(getattr(script, "attributes", {}).get("body", ""))
        return "thebe" in filename or "THEBE" in body

    context["script_files"] = [s for s in context["script_files"] if not is_thebe(s)]


def drop_thebe_settings(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take out the settings that Thebe writes into the page's text."""
    for raw in list(doctree.findall(nodes.raw)):
        if "text/x-thebe-config" in raw.astext() or "kernelName = " in raw.astext():
            raw.parent.remove(raw)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; the FontAwesome setting is written into every page's head."""
    app.connect("config-inited", use_local_scripts)
    app.add_js_file(None, body=FONT_AWESOME, priority=1)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("doctree-resolved", drop_thebe_settings, priority=900)
