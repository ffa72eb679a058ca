"""English prose from the docstrings of installed packages: megabytes that need no network."""

import ast
import hashlib
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata, util
from pathlib import Path

from aigc_tutorial.data.fetch import DataUnavailableError, Source
from aigc_tutorial.data.text import TextDataset, TextSplit

DOCUMENTED_PACKAGES = (
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "sympy",
    "torch",
    "transformers",
)
"""Packages of the book's environment that explain themselves at length."""

# A paragraph is prose if it is no label, and little of it is digits, signs and formulas.
_SHORTEST, _LEAST_LETTERS = 80, 0.88
_NO_PROSE = re.compile(r">>>|^(Args|Parameters|Returns|Raises|Attributes|Examples?):")
_LEFT_OUT = {"tests", "test", "testing", "site-packages", "_vendor", "idlelib"}
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstring_prose(
    split: TextSplit = "all", *, packages: Sequence[str] = DOCUMENTED_PACKAGES
) -> TextDataset:
    """The paragraphs of prose in the docstrings of Python's standard library and of packages.

    Each paragraph is a line, and stands once however often it occurs. The lines of a module follow
    each other; the modules are in an order that a hash of their names decides, so that the last
    tenth, which :meth:`TextDataset.split` holds out, is about everything too. Code is read as text
    and never run. What comes out depends on the versions, which ``source`` names.

    Args:
        split: ``"train"``, ``"validation"`` or ``"all"``; see :meth:`TextDataset.split`.
        packages: names as they are imported.

    Raises:
        DataUnavailableError: a package is not installed, or has no source that could be read.
    """
    if isinstance(packages, str):
        raise TypeError(f"packages must be a list of names, got the one string {packages!r}")
    modules: dict[str, Path] = {}
    versions = [f"Python {platform.python_version()}"]
    for name, folder in _folders(packages):
        files = sorted(path for path in folder.rglob("*.py") if _is_read(path, folder))
        modules |= {f"{name}/{path.relative_to(folder).as_posix()}": path for path in files}
        if name:
            versions.append(f"{name} {_version(name)}")
    order = sorted(modules, key=lambda module: hashlib.sha256(module.encode()).digest())
    lines = dict.fromkeys(line for module in order for line in _paragraphs(modules[module]))
    text = "".join(f"{line}\n" for line in lines)
    description = f"Read from the docstrings of {', '.join(versions)}."
    return TextDataset(text, Source("embedded", "docstrings", description)).split(split)


def _folders(packages: Iterable[str]) -> Iterator[tuple[str, Path]]:
    yield "", Path(sysconfig.get_path("stdlib"))
    for name in packages:
        found = util.find_spec(name) if name.isidentifier() else None
        places = (found.submodule_search_locations if found else None) or []
        if not places:
            raise DataUnavailableError(
                f"there is no installed package {name!r} whose docstrings could be read; install "
                "the book's packages (make install), or name packages that are there: packages=[…]"
            )
        yield name, Path(places[0])


def _is_read(path: Path, folder: Path) -> bool:
    return not _LEFT_OUT & set(path.relative_to(folder).parts)


def _version(name: str) -> str:
    distributions = metadata.packages_distributions().get(name, [name])
    return metadata.version(distributions[0])


def _paragraphs(path: Path) -> Iterator[str]:
    """Each paragraph of prose in a module's docstrings, on one line."""
    try:
        with warnings.catch_warnings(action="ignore"):  # others' escapes are not ours to judge
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # a template, or code for another version of Python
    for node in ast.walk(tree):
        docstring = ast.get_docstring(node) if isinstance(node, _DOCUMENTED) else None
        for paragraph in re.split(r"\n\s*\n", docstring or ""):
            line = " ".join(paragraph.split())
            n_letters = sum(character.isalpha() or character == " " for character in line)
            is_prose = len(line) >= _SHORTEST and n_letters >= _LEAST_LETTERS * len(line)
            if is_prose and not _NO_PROSE.search(line) and line.isprintable():
                yield line
