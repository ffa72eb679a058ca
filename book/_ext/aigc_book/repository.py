"""Where things stand in this repository."""

import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BOOK = ROOT / "book"
CACHE = ROOT / ".cache"
BRANCH = "main"


@cache
def repository_url() -> str:
    """Return the repository's address, which stands in ``pyproject.toml`` and nowhere else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def source_url(path: Path) -> str:
    """Return the address at which a reader can see a file of this repository."""
    return f"{repository_url()}/blob/{BRANCH}/{path.relative_to(ROOT).as_posix()}"
