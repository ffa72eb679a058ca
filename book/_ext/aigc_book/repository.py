"""Where things stand in this repository."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BOOK = ROOT / "book"
CACHE = ROOT / ".cache"
BRANCH = "main"


@cache
def project() -> dict[str, Any]:
    """Return the ``[project]`` table of ``pyproject.toml``."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(table)


def repository_url() -> str:
    """Return the repository's address, which stands in ``pyproject.toml`` and nowhere else."""
    return str(project()["urls"]["Repository"])


def version() -> str:
    """Return the package's version, which is the book's too."""
    return str(project()["version"])


def source_url(path: Path) -> str:
    """Return the address at which a reader can see a file of this repository."""
    return f"{repository_url()}/blob/{BRANCH}/{path.relative_to(ROOT).as_posix()}"
