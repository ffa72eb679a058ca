"""Notebooks run again when the package or its pinned dependencies change, and only then.

Jupyter Book's cache is keyed by the code cells alone. A page whose outputs come from
``aigc_tutorial`` would keep them when the package changes. So the cache lies in a folder named by
a hash of the package and of ``constraints.txt``. Sphinx sees the new folder as a changed setting
and reads every page again.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from .repository import CACHE, ROOT

N_KEPT = 3


def digest_of(paths: Iterable[Path], root: Path) -> str:
    """Return 16 hexadecimal digits that change with the names and the content of files.

    Args:
        paths: Of files; others are passed over.
        root: The folder that their names are told from.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def package_hash(root: Path = ROOT) -> str:
    """Return 16 hexadecimal digits that change with the package, its weights and the pins."""
    files = (root / "aigc_tutorial").rglob("*")
    kept = [path for path in files if "__pycache__" not in path.parts]
    return digest_of([*kept, root / "constraints.txt"], root)


def cache_folder() -> Path:
    """Return the folder of the outputs that belong to the package as it is now."""
    return CACHE / "notebooks" / package_hash()


def choose_cache(app: Sphinx, config: Config) -> None:
    """Point the notebook cache at this package's folder."""
    config.nb_execution_cache_path = str(make_cache_folder())


def make_cache_folder() -> Path:
    """Make the folder of the package as it is now; forget all but the newest others."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    newest_first = sorted(folder.parent.iterdir(), key=lambda path: -path.stat().st_mtime)
    for old in newest_first[N_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def setup(app: Sphinx) -> None:
    """Connect to Sphinx, before it compares its settings with those of the last build."""
    app.connect("config-inited", choose_cache)
