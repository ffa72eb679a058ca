"""Sounds that a page loads when the reader plays them.

A notebook holds a sound in the address of its player, as base64, and a page with eight of them
would be a megabyte longer. Here each becomes a file of the book.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

_PLAYER = re.compile(r'<audio\b[^>]*\bsrc="data:audio/(?P<kind>\w+);base64,(?P<data>[^"]*)"[^>]*>')
_ADDRESS = re.compile(r'src="[^"]*"')
_PRELOAD = re.compile(r'\s*preload="\w+"')


def as_files(body: str, address: str, folder: Path) -> str:
    """Return a page's HTML with its sounds in files, which wait until they are played.

    Args:
        body: The HTML.
        address: The folder, as the page calls it.
        folder: The folder, where the files are written.
    """

    def one(match: re.Match[str]) -> str:
        sound = base64.b64decode(match["data"])
        name = f"sound-{hashlib.sha256(sound).hexdigest()[:16]}.{match['kind']}"
        path = folder / name
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound)
        tag = _PRELOAD.sub("", match[0])
        return _ADDRESS.sub(f'src="{address}/{name}" preload="none"', tag)

    return _PLAYER.sub(one, body)


def place_sounds(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Put the sounds of a page beside its pictures."""
    builder = app.builder
    if context.get("body") and isinstance(builder, StandaloneHTMLBuilder):
        folder = Path(builder.outdir, builder.imagedir)
        context["body"] = as_files(context["body"], builder.imgpath, folder)


def setup(app: Sphinx) -> None:
    """Connect to the pages as they are written."""
    app.connect("html-page-context", place_sounds, priority=800)
