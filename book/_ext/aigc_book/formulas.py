r"""Formulas, typeset by MathJax when the book is built: a page loads letters, not a program.

``typeset(tex, display)`` gives the HTML that a browser draws with a style sheet and a few fonts,
and beside it the formula in MathML, which screen readers speak. A Node process typesets what was
not typeset before; results lie in ``.cache/formulas``, in a folder named by the versions.

The style sheet, with the fonts in it, holds what the built pages use, and nothing else.
"""

import atexit
import contextlib
import hashlib
import html
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from . import javascript
from .fonts import embedded, subset_font, write_whole
from .repository import CACHE

LOGGER = logging.getLogger(__name__)
SCRIPT = Path(__file__).with_name("typeset.cjs")
RENDERER = "typeset"
STYLE_SHEET = "lib/formulas/mathjax.css"
STYLE_SHEET_IN_CACHE = "mathjax.css"

# What MathJax writes for itself: the page needs none of it.
_SUPERFLUOUS = re.compile(
    r' (?:data-latex|data-mjx-[a-z-]+|data-break-align|xmlns|unselectable|overflow)="[^"]*"'
    r'| style="position: relative;"'
)
# A letter of a formula: its class names the glyph, a second one the font when it is not the usual.
_LETTER = re.compile(r'<mjx-c class="(mjx-c[0-9A-F]+)(?: TEX-([A-Z0-9]+))?[^>]*>([^<]+)')
_RULE_OF_LETTER = re.compile(
    r"^mjx-c\.(mjx-c[0-9A-F]+)(?:\.TEX-([A-Z0-9]+)|:not\(\S+\))?(?:\[noic\])? \{"
)
# A bracket, a brace or an arrow that grows, and the pieces that it is put together from.
_GROWING = re.compile(r'<(mjx-stretchy-[vh])\b[^>]* class="(mjx-c[0-9A-F]+)')
_PIECE = re.compile(
    r'<mjx-(?:beg|ext|mid|end)(?: class="TEX-([A-Z0-9]+)")?>(?:<mjx-spacer>)?([^<]+)'
)
_RULE_OF_GROWING = re.compile(r"^(mjx-stretchy-[vh])\.(mjx-c[0-9A-F]+)\b")
_FACE = re.compile(r"@font-face /\* MJX-(?:TEX-)?([A-Z0-9]+) \*/")
# The usual font; one without width, which hides what another font would draw; and that of breaks.
_USUAL = "N"
_FONTS_OF_ALL = (_USUAL, "ZERO", "BRK")
# A formula of so few letters is not broken in two: it would look like two.
N_LETTERS_SHORT = 16
WORD_JOINER = "&#8288;"


class FormulaError(ExtensionError):
    """A formula that TeX does not understand, or no program to typeset it."""


class Typesetter:
    """A Node process with MathJax in it, which answers line by line.

    Attributes:
        css: The whole style sheet.
    """

    def __init__(self) -> None:
        """Start the process.

        Raises:
            FormulaError: MathJax does not start; the message says what Node wrote.
        """
        folders = javascript.ensure_libraries()
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                *javascript.node_command(),
                *(str(SCRIPT), str(folders["mathjax"]), str(folders["mathjax-tex-font"])),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
        )
        atexit.register(self.close)
        self.css = str(self._read()["css"])

    def typeset(self, tex: str, display: bool) -> tuple[str, float]:
        """Return a formula as MathJax writes it, and its width in em.

        Raises:
            FormulaError: TeX does not understand it.
        """
        stdin = self._pipe(self._process.stdin)
        stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise FormulaError(f"{answer['error']} in the formula: {tex.strip()}")
        return str(answer["html"]), float(answer["width"])

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._pipe(self._process.stdin).close()
        self._process.wait()
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            self._errors.seek(0)
            raise FormulaError(f"MathJax ended early; Node says:\n{self._errors.read()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def typesetter() -> Typesetter:
    """Return this process's own, started when its first formula needs it."""
    return _typesetter_of(os.getpid())


@cache
def _typesetter_of(process_id: int) -> Typesetter:
    """Start one for a process: two that write pages would read each other's answers."""
    return Typesetter()


@cache
def cache_folder() -> Path:
    """Return the folder of what these versions of MathJax and of this module typeset."""
    digest = hashlib.sha256()
    for path in (SCRIPT, Path(__file__), javascript.LOCK):
        digest.update(path.read_bytes())
    folder = CACHE / "formulas" / digest.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def typeset(tex: str, display: bool = False) -> str:
    r"""Return a formula as HTML, with MathML for screen readers.

    The page gets its style sheet by itself: see ``add_style_sheet``.

    Args:
        tex: TeX in math mode, without ``$`` or ``\(`` around it.
        display: Whether it stands in a line of its own, with limits above and below.

    Raises:
        FormulaError: TeX does not understand it; or there is no Node.
    """
    key = hashlib.sha256(f"{display}\0{tex}".encode()).hexdigest()[:24]
    kept = cache_folder() / f"{key}.html"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    made, width = typesetter().typeset(tex, display)
    made = _SUPERFLUOUS.sub("", made)
    if display:  # the style sheet makes it a little smaller on a phone, if then it fits
        made = made.replace("<mjx-container ", f'<mjx-container style="--width: {width:.1f}" ', 1)
    elif made.count("<mjx-c ") <= N_LETTERS_SHORT:
        made = made.replace('class="MathJax"', 'class="MathJax short"', 1)
    source = f'<annotation encoding="application/x-tex">{html.escape(tex.strip())}</annotation>'
    made = re.sub(
        r"(<math[^>]*>)(.*)(</math>)",
        lambda m: f"{m[1]}<semantics><mrow>{m[2]}</mrow>{source}</semantics>{m[3]}",
        made,
        flags=re.DOTALL,
    )
    write_whole(kept, made)
    return made


def typeset_or_warn(tex: str, display: bool, node: nodes.Node) -> str:
    """Return a formula as HTML; a faulty one as code, with a warning, which fails the build."""
    try:
        return typeset(tex, display)
    except FormulaError as error:
        LOGGER.warning("%s", error, location=node)
        return f"<code>{html.escape(tex)}</code>"


def take_brackets(app: Sphinx, doctree: nodes.document) -> None:
    """Draw the brackets around a formula as a part of it.

    Browsers break a line between a bracket and a formula, whatever stands between them.
    """
    for formula in list(doctree.findall(nodes.math)):
        place = formula.parent.index(formula)
        if not 0 < place < len(formula.parent) - 1:
            continue
        before, after = formula.parent[place - 1], formula.parent[place + 1]
        if not isinstance(before, nodes.Text) or not isinstance(after, nodes.Text):
            continue
        if before.endswith("(") and after.startswith(")"):
            tex = f"({formula.astext()})"
            formula.parent[place - 1] = nodes.Text(before[:-1])
            formula.parent[place + 1] = nodes.Text(after[1:])
            formula.clear()
            formula += nodes.Text(tex)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line of text; a comma after it and a bracket before it stay with it."""
    before, after = neighbours(node)
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    if before and not before.isspace():
        self.body.append(WORD_JOINER)
    self.body.append(typeset_or_warn(node.astext(), False, node))
    if after and not after.isspace():
        self.body.append(WORD_JOINER)
    self.body.append("</span>")
    raise nodes.SkipNode


def neighbours(node: nodes.Node) -> tuple[str, str]:
    """Return the last letter of the text before a node and the first of the text after it."""
    siblings = node.parent.children
    place = siblings.index(node)
    before = siblings[place - 1].astext()[-1:] if place else ""
    after = siblings[place + 1].astext()[:1] if place + 1 < len(siblings) else ""
    return before, after


def visit_display_math(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula in a line of its own, with its number."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"] and not node["nowrap"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(typeset_or_warn(display_tex(node), True, node) + "</div>\n")
    raise nodes.SkipNode


def display_tex(node: nodes.math_block) -> str:
    r"""Return the TeX of a block: lines that end in ``\\`` are parts of one equation."""
    tex = str(node.astext()).strip()
    if not node["nowrap"] and r"\\" in tex:
        return rf"\begin{{split}}{tex}\end{{split}}"
    return tex


def choose_renderer(app: Sphinx, config: Config) -> None:
    """Have Sphinx call this module for formulas; its own way loads MathJax in the page."""
    config.html_math_renderer = RENDERER


def add_style_sheet(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the style sheet on the pages that have a formula, and on no other."""
    if "<mjx-container" in context.get("body", ""):
        app.add_css_file(STYLE_SHEET)


def used_letters(pages: list[str]) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """Return what the formulas of some pages are made of.

    Args:
        pages: HTML of the pages.

    Returns:
        Class and font of each letter, class and element of each letter that grows; and for each
        font the letters drawn with it.
    """
    classes = set()
    by_font = {font: {" "} for font in _FONTS_OF_ALL}
    for page in pages:
        classes |= {(name, element) for element, name in _GROWING.findall(page)}
        for name, font, text in _LETTER.findall(page):
            classes.add((name, font or _USUAL))
            by_font.setdefault(font or _USUAL, set()).update(html.unescape(text))
        for font, text in _PIECE.findall(page):
            by_font.setdefault(font or _USUAL, set()).update(html.unescape(text))
    return classes, {font: "".join(sorted(letters)) for font, letters in by_font.items()}


def reduce_style_sheet(
    css: str, classes: Collection[tuple[str, str]], fonts: Mapping[str, str]
) -> str:
    """Return MathJax's style sheet without the letters and fonts that no page uses.

    Args:
        css: The whole sheet.
        classes: What ``used_letters`` found.
        fonts: Fonts to keep, with their addresses.
    """
    kept = []
    for rule in css.split("\n\n"):
        letter, face = _RULE_OF_LETTER.search(rule), _FACE.search(rule)
        growing = _RULE_OF_GROWING.search(rule)
        if letter and (letter[1], letter[2] or _USUAL) not in classes:
            continue
        if growing and (growing[2], growing[1]) not in classes:
            continue
        if face and face[1] not in fonts:
            continue
        if face:
            rule = re.sub(r'url\("[^"]*"\)', f'url("{fonts[face[1]]}")', rule)
        kept.append(" ".join(rule.split()))
    return "\n".join(kept) + "\n"


def whole_style_sheet() -> str:
    """Return MathJax's whole style sheet, from the cache or from MathJax."""
    kept = cache_folder() / STYLE_SHEET_IN_CACHE
    if not kept.is_file():
        write_whole(kept, typesetter().css)
    return kept.read_text(encoding="utf-8")


def write_assets(app: Sphinx, exception: Exception | None) -> None:
    """Write the style sheet of what the built pages use, fonts in it, unless it is there."""
    if exception is not None or app.builder.format != "html":
        return
    pages = [p.read_text(encoding="utf-8") for p in sorted(Path(app.outdir).rglob("*.html"))]
    classes, by_font = used_letters(pages)
    wanted = json.dumps([cache_folder().name, sorted(classes), sorted(by_font.items())])
    target = Path(app.outdir, "_static", STYLE_SHEET)
    stamp = target.with_name(".source")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    folder = javascript.ensure_libraries()["mathjax-tex-font"] / "chtml" / "woff2"
    fonts = {
        font: embedded(subset_font(folder / f"mjx-tex-{font.lower()}.woff2", letters))
        for font, letters in by_font.items()
    }
    write_whole(target, reduce_style_sheet(whole_style_sheet(), classes, fonts))
    write_whole(stamp, wanted)


def setup(app: Sphinx) -> None:
    """Register the renderer and connect to the build."""
    app.add_html_math_renderer(RENDERER, (visit_math, None), (visit_display_math, None))
    app.connect("config-inited", choose_renderer)
    app.connect("doctree-read", take_brackets)
    app.connect("html-page-context", add_style_sheet)
    app.connect("build-finished", write_assets)
