"""What screen readers trip over in the markup of the theme, of docutils and of other extensions.

``layout.html`` passes a page's body through ``mend``. Each rule says whose markup it mends; a test
with axe looks at every page. ``menu.js`` opens the menu at the reader's page.
"""

import re
from collections.abc import Callable

from markupsafe import Markup
from sphinx.application import Sphinx

from .tables import with_narrow_form

Replacement = str | Callable[[re.Match[str]], str]


def _rule(pattern: str, replacement: Replacement) -> tuple[re.Pattern[str], Replacement]:
    return re.compile(pattern, re.DOTALL), replacement


def _lines_of_signature(match: re.Match[str]) -> str:
    lines = re.sub(
        r"<dd>(.*?)</dd>", r'<span class="sig-line">\1</span>', match[1], flags=re.DOTALL
    )
    return f'<span class="sig-lines">\n{lines}</span>'


def _plain_cell(match: re.Match[str]) -> str:
    attributes = re.sub(r' scope="[^"]*"', "", match[1])  # a header's alone
    return f"<td{attributes}></td>"


RULES = (
    # The theme's side bar lies outside of every landmark.
    _rule(
        r'<div id="pst-primary-sidebar" class="',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Contents of the book" '
        'class="',
    ),
    # The theme's arrow that opens a part of the menu has no name.
    _rule(
        r'<summary><span class="toctree-toggle" role="presentation">',
        '<summary aria-label="Pages of this part"><span class="toctree-toggle">',
    ),
    # MyST-NB names all folded cells alike; their own text is the better name.
    _rule(r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # docutils: the role is out of use, and a list's items have to be items.
    _rule(r'(<div class="citation"[^>]*) role="doc-biblioentry"', r'\1 role="listitem"'),
    # Sphinx writes the parameters of a long signature as definitions without a term.
    _rule(
        r'<dl>\n((?:<dd><em class="sig-param">(?:(?!</?dl>).)*?</dd>\n)+)</dl>', _lines_of_signature
    ),
    # Tables of data frames and of Markdown: a corner without words heads nothing.
    _rule(r"<th\b([^>]*)>(?:\s|<p>\s*</p>)*</th>", _plain_cell),
)


def mend(html: str) -> Markup:
    """Return a page's body with every rule applied, and its tables ready for a phone."""
    for pattern, replacement in RULES:
        html = pattern.sub(replacement, html)
    return Markup(with_narrow_form(html))


def add_filter(app: Sphinx) -> None:
    """Give the templates the filter."""
    if app.builder.format == "html":
        app.builder.templates.environment.filters["mend_markup"] = mend


def setup(app: Sphinx) -> None:
    """Connect to the builder's templates, and load the script."""
    app.connect("builder-inited", add_filter)
    app.add_js_file("menu.js", loading_method="defer")
