"""Pages are written again when what stands around them changes, and read again with the extension.

Sphinx writes a page again when its source or a setting changes. A style sheet is neither: a book
that was built would keep the old one. So what the pages are made with is a setting, by its digest.
The listings of the package's modules are written when a module changes, whatever the settings: they
are taken away when the digests are others than those they were written with.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from .execution_cache import digest_of
from .repository import BOOK

AROUND = ("_static", "_templates", "_diagrams")
"""Folders of which a page is written."""

LISTINGS = "_modules"
"""Where ``sphinx.ext.viewcode`` writes them."""


def files_in(*folders: Path) -> Iterable[Path]:
    """Yield the files of some folders; not what Python keeps there."""
    for folder in folders:
        yield from (path for path in folder.rglob("*") if "__pycache__" not in path.parts)


def note_digests(app: Sphinx, config: Config) -> None:
    """Put the digests where Sphinx compares them with those of the last build."""
    config.aigc_around = digest_of(files_in(*(BOOK / name for name in AROUND)), BOOK)
    config.aigc_extension = digest_of(files_in(BOOK / "_ext"), BOOK)


def forget_listings(app: Sphinx) -> None:
    """Take away the listings that were written with other files around, or otherwise."""
    digests = f"{app.config.aigc_around} {app.config.aigc_extension}"
    folder = Path(app.outdir, LISTINGS)
    stamp = folder / ".made-with"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != digests:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stamp.write_text(digests, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register the settings: of the first pages are made of what was read, for the second read."""
    app.add_config_value("aigc_around", "", "html", str)
    app.add_config_value("aigc_extension", "", "env", str)
    app.connect("config-inited", note_digests)
    app.connect("builder-inited", forget_listings)
