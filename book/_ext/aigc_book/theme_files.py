"""The theme's files, as far as the book uses them.

The theme ships all icons of FontAwesome: 65 kB of style sheet, 300 kB of fonts, and a script of
543 kB that ``book/_templates/static/webpack-macros.html`` leaves out. After the build the style
sheet loses the rules of icons that no page shows, and takes in fonts that have the others.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

from .fonts import embedded, subset_font, write_whole

SHEET = "styles/pydata-sphinx-theme.css"
FONTS = "vendor/fontawesome/webfonts"
# What the built book must not hold: what no page asks for.
UNUSED = ("scripts/fontawesome.js*", "scripts/*.map", "styles/*.map", f"{FONTS}/*")
_CLASSES = re.compile(r'class="([^"]*\bfa-[^"]*)"')
_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"[^"]*"\}')
_TRUETYPE = re.compile(r',url\([^)]*\.ttf\) ?format\("truetype"\)')
_FONT = re.compile(r"url\(\.\./vendor/fontawesome/webfonts/([\w-]+\.woff2)\)")
_ESCAPED = re.compile(r"\\([ef][0-9a-f]{3})\b")
_PRIVATE = re.compile("[\ue000-\uf8ff]")


def used_icons(pages: list[str]) -> set[str]:
    """Return the names of the icons in some pages, such as ``fa-bars``."""
    return {
        name
        for page in pages
        for names in _CLASSES.findall(page)
        for name in names.split()
        if name.startswith("fa-")
    }


def reduce_style_sheet(css: str, icons: set[str]) -> str:
    """Return the theme's style sheet without the rules of icons that are not shown."""

    def keep(match: re.Match[str]) -> str:
        names = re.findall(r"\.(fa-[\w-]+):", match[1])
        return match[0] if icons.intersection(names) else ""

    return _TRUETYPE.sub("", _RULE.sub(keep, css))


def letters_of_icons(css: str) -> str:
    """Return the letters of private use that a style sheet names: icons are drawn with them."""
    letters = {chr(int(code, 16)) for code in _ESCAPED.findall(css)} | set(_PRIVATE.findall(css))
    return "".join(sorted(letters))


def reduce_files(app: Sphinx, exception: Exception | None) -> None:
    """Reduce the theme's files in the built book; Sphinx copies them anew in each build."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    pages = [path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")]
    sheet = static / SHEET
    css = reduce_style_sheet(sheet.read_text(encoding="utf-8"), used_icons(pages))
    others = [p.read_text(encoding="utf-8") for p in static.glob("**/*.css") if p != sheet]
    letters = letters_of_icons("".join([css, *others]))

    def embed(match: re.Match[str]) -> str:
        return f"url({embedded(subset_font(static / FONTS / match[1], letters))})"

    write_whole(sheet, _FONT.sub(embed, css))
    for pattern in UNUSED:
        for path in static.glob(pattern):
            path.unlink()


def setup(app: Sphinx) -> None:
    """Connect to the end of the build."""
    app.connect("build-finished", reduce_files)
