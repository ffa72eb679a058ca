"""Pictures that keep their place: with a size, loaded when the reader comes near, as WebP.

A notebook's figures are PNG. Each is packed again as lossless WebP, which every browser draws and
which is often a third smaller; the smaller of the two goes into the book. Results lie in
``.cache/pictures``, named by their content.
"""

import hashlib
import html
import re
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

from .fonts import write_whole
from .repository import CACHE

KEPT = CACHE / "pictures"
_IMAGE = re.compile(r"<(?:img|source)\b[^>]*>")
_SOURCE = re.compile(r'\b(src|srcset)="([^"]+)"')


def repacked(png: bytes, folder: Path) -> bytes:
    """Return a PNG's pixels as lossless WebP.

    Args:
        png: The picture.
        folder: Where what was packed before is kept.
    """
    kept = folder / f"{hashlib.sha256(png).hexdigest()[:24]}.webp"
    if kept.is_file():
        return kept.read_bytes()
    target = BytesIO()
    with Image.open(BytesIO(png)) as image:
        image.save(target, "WEBP", lossless=True, quality=60, method=4)
    write_whole(kept, target.getvalue())
    return target.getvalue()


def placed(tag: str, size: tuple[int, int] | None, first: bool) -> str:
    """Return an ``<img>``, or a ``<source>`` for one, that has its place before it is loaded.

    Args:
        tag: As it was written.
        size: Width and height in pixels, where they are known and the tag does not say them.
        first: Whether it is the page's first, which a reader sees at once.
    """
    more = ""
    if size is not None and not re.search(r"\b(?:width|height)\s*[=:]", tag):
        more += f' width="{size[0]}" height="{size[1]}"'
    loads = tag.startswith("<img")
    if loads and "loading=" not in tag and not first:
        more += ' loading="lazy"'
    if loads and "decoding=" not in tag:
        more += ' decoding="async"'
    return re.sub(r"\s*/?>$", f"{more} />", tag)


class Pictures:
    """The pictures of one page: finds the file behind an address, and packs it.

    Attributes:
        builder: Which copies into the book what its ``images`` name.
        pagename: Of the page that shows them.
    """

    def __init__(self, builder: StandaloneHTMLBuilder, pagename: str) -> None:
        """Take the builder as it is after it has written this page."""
        self.builder = builder
        self.up = "../" * pagename.count("/")
        self.files = {name: Path(builder.srcdir, path) for path, name in builder.images.items()}

    def file_of(self, source: str) -> Path | None:
        """Return the file behind an address in the page, where it is one of the book's."""
        relative = unquote(html.unescape(source)).removeprefix(self.up)
        folder, _, name = relative.partition("/")
        if folder == self.builder.imagedir and name in self.files:
            return self.files[name]
        if folder == "_static":
            for static in self.builder.config.html_static_path:
                path = Path(self.builder.confdir, static, name)
                if path.is_file():
                    return path
        return None

    def smaller(self, source: str, path: Path) -> str:
        """Return the address of the smaller form of a picture, and put it into the book.

        The process that writes the page does it: what one of several tells its builder is lost.
        """
        name = PurePosixPath(source).name
        if path.suffix != ".png" or not source.startswith(f"{self.up}{self.builder.imagedir}/"):
            return source
        png = path.read_bytes()
        webp = repacked(png, KEPT)
        if len(webp) >= len(png):
            return source
        new = str(PurePosixPath(name).with_suffix(".webp"))
        write_whole(Path(self.builder.outdir, self.builder.imagedir, new), webp)
        return source.removesuffix(name) + new

    def replace(self, body: str) -> str:
        """Return a page's HTML with all its pictures placed."""
        seen = 0

        def one(match: re.Match[str]) -> str:
            nonlocal seen
            seen += 1
            tag = match[0]
            source = _SOURCE.search(tag)
            path = None if source is None else self.file_of(source[2])
            if source is None or path is None:
                return placed(tag, None, seen == 1)
            tag = tag.replace(source[0], f'{source[1]}="{self.smaller(source[2], path)}"')
            return placed(tag, size_of(path), seen == 1)

        return _IMAGE.sub(one, body)


def size_of(path: Path) -> tuple[int, int] | None:
    """Return a picture's width and height in pixels; drawings have none."""
    if path.suffix == ".svg":
        return None
    with Image.open(path) as image:
        return image.size


def place_pictures(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Place the pictures of a page."""
    if context.get("body") and isinstance(app.builder, StandaloneHTMLBuilder):
        context["body"] = Pictures(app.builder, pagename).replace(context["body"])


def setup(app: Sphinx) -> None:
    """Connect to the pages as they are written."""
    app.connect("html-page-context", place_pictures, priority=800)
