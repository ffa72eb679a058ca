"""Fonts with the letters that the book uses, and no others.

They are so small that they stand in the style sheet itself: there when the page is first drawn, so
that nothing moves when they come.
"""

import base64
import hashlib
import os
import tempfile
from io import BytesIO
from pathlib import Path

from fontTools import subset

from .repository import CACHE


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under another name first: a build that is killed leaves no half of it."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def subset_font(source: Path, letters: str, cache: Path = CACHE / "fonts") -> bytes:
    """Return a font with some of its letters, as WOFF2; made once, then kept.

    Args:
        source: The whole font.
        letters: What to keep of it; what it does not have is passed over.
        cache: Folder of what was made before.
    """
    whole = source.read_bytes()
    wanted = "".join(sorted(set(letters)))
    key = hashlib.sha256(whole + b"\0" + wanted.encode()).hexdigest()[:24]
    kept = cache / f"{key}.woff2"
    if kept.is_file():
        return kept.read_bytes()
    options = subset.Options(flavor="woff2", hinting=False, bidi_closure=False)
    options.drop_tables += ["FFTM", "ltag"]
    font = subset.load_font(BytesIO(whole), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=wanted)
    subsetter.subset(font)
    target = BytesIO()
    subset.save_font(font, target, options)
    write_whole(kept, target.getvalue())
    return target.getvalue()


def embedded(font: bytes) -> str:
    """Return a WOFF2 font as the address that a style sheet can hold."""
    return f"data:font/woff2;base64,{base64.b64encode(font).decode()}"
