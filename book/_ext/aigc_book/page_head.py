"""The face that a page shows elsewhere: in a search engine, in a message, in a browser's tab.

``sphinxext.opengraph`` writes the description and draws the card, ``notfound.extension`` the page
for what is not there. Here is what they leave: one ``viewport``, the icons, the map of the site,
and the page at the root, which leads to the book.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.config import Config

from .search import toc_order

VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'
TOUCH_ICON = "_static/touch-icon.png"
ROOT_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={target}">
<title>{title}</title>
<link rel="canonical" href="{canonical}">
<link rel="icon" href="_static/favicon.svg">
</head>
<body>
<main><p>The book begins here: <a href="{target}">{title}</a></p></main>
</body>
</html>
"""
NOT_FOUND = """<h1>There is no such page</h1>
<p>It was moved, or it never was. The contents are beside this text, or behind the button above it;
the search finds sections by their words.</p>
"""


def complete_settings(app: Sphinx, config: Config) -> None:
    """Derive from the book's address what the extensions ask for."""
    config.ogp_site_url = config.html_baseurl
    config.ogp_site_name = config.html_title
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path
    config.notfound_context = {"title": "There is no such page", "body": NOT_FOUND}


def add_to_head(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Say ``viewport`` once, and name the icon for a phone's first screen."""
    context["metatags"] = context.get("metatags", "").replace(VIEWPORT, "")
    icon = context["pathto"](TOUCH_ICON, True)
    context["page_head"] = Markup('<link rel="apple-touch-icon" href="{}"/>').format(icon)


def write_site(app: Sphinx, exception: Exception | None) -> None:
    """Write the map of the site and the page at its root."""
    if exception is not None or app.builder.format != "html":
        return
    base, uri = app.config.html_baseurl, app.builder.get_target_uri
    # Not from the pages of this run: a build that renders one page again still has all of them.
    places = "".join(
        f"<url><loc>{escape(base + uri(page))}</loc></url>\n" for page in toc_order(app)
    )
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n',
        encoding="utf-8",
    )
    root = uri(app.config.root_doc)
    Path(app.outdir, "index.html").write_text(
        ROOT_PAGE.format(
            language=app.config.language,
            target=root,
            title=escape(app.config.html_title),
            canonical=escape(base + root),
        ),
        encoding="utf-8",
    )


def setup(app: Sphinx) -> None:
    """Set up the two extensions, and connect to the build after Jupyter Book's own redirect."""
    app.setup_extension("sphinxext.opengraph")
    app.setup_extension("notfound.extension")
    app.connect("config-inited", complete_settings)
    app.connect("html-page-context", add_to_head, priority=600)
    app.connect("build-finished", write_site, priority=900)
