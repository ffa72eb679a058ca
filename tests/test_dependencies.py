"""Every dependency is used: imported somewhere, or started by a command of the repository."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import lock
import nbformat
import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("aigc_tutorial", "benchmarks", "book", "tests", "tools")
# Used without an import in our code: the file that uses it, and the words that do.
STARTED = {
    "codespell": ("tools/tasks.py", 'tool("codespell")'),
    "import-linter": ("tools/tasks.py", 'tool("lint-imports")'),
    "ipykernel": ("tools/clean_notebooks.py", "Python 3 (ipykernel)"),
    "jupyter-book": ("tools/build_book.py", '"jupyter-book"'),
    "jupyterlab": ("tools/tasks.py", 'tool("jupyter"), "lab"'),
    "mutmut": ("benchmarks/mutants.py", '"mutmut"'),
    "mypy": ("tools/tasks.py", 'tool("mypy")'),
    "nbval": ("tools/tasks.py", "--nbval-lax"),
    "pytest-timeout": ("pyproject.toml", "timeout = 300"),
    "pytest-xdist": ("tools/tasks.py", '"-n", "2"'),
    "ruff": ("tools/tasks.py", 'tool("ruff")'),
    "sphinx-notfound-page": ("book/_ext/aigc_book/page_head.py", '"notfound.extension"'),
    "sphinxext-opengraph": ("book/_ext/aigc_book/page_head.py", '"sphinxext.opengraph"'),
    "setuptools": ("pyproject.toml", "setuptools.build_meta"),
}


def sources() -> Iterator[str]:
    """Yield the Python code of every file and of every notebook's cells."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            yield path.read_text(encoding="utf-8")
    for path in (ROOT / "book").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            # The Colab cell alone has magics, and cells may show code that is broken on purpose.
            if cell.cell_type == "code" and not re.search(r"^\s*[%!]", cell.source, re.MULTILINE):
                yield cell.source


def imported(source: str) -> set[str]:
    """Return the top-level modules that the code imports, `environment.require` included."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return set()
    names = {n.name for node in nodes if isinstance(node, ast.Import) for n in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "require"
            and isinstance(node.args[0], ast.Constant)
        ):
            names.add(str(node.args[0].value))
    return {name.partition(".")[0] for name in names}


def unused(declared: set[str], modules: set[str]) -> set[str]:
    """Return the distributions that nothing imports and nothing starts."""
    distributions = packages_distributions()
    used: set[str] = {canonicalize_name(d) for m in modules for d in distributions.get(m, [m])}
    # The types of a module are used where the module is.
    used |= {f"types-{m}" for m in modules} | {f"types-{d}" for d in used}
    return declared - used - STARTED.keys()


@pytest.fixture(scope="module")
def modules() -> set[str]:
    return set().union(*(imported(source) for source in sources()))


def test_every_dependency_is_used(modules: set[str]) -> None:
    names = (r.name for r in lock.requirements(lock.read_project()))
    assert unused({str(canonicalize_name(name)) for name in names}, modules) == set()


def test_an_unused_dependency_is_found(modules: set[str]) -> None:
    assert unused({"torch", "pytest-regressions"}, modules) == {"pytest-regressions"}


def test_imports_are_found_in_every_form() -> None:
    source = "import a.b, c as d\nfrom e.f import g\nfrom . import h\nx = require('i.j', extra='k')"
    assert imported(source) == {"a", "c", "e", "i"}


@pytest.mark.parametrize("name", STARTED)
def test_what_is_started_is_declared_and_started(name: str) -> None:
    file, words = STARTED[name]
    assert words in (ROOT / file).read_text(encoding="utf-8")
    assert name in {canonicalize_name(r.name) for r in lock.requirements(lock.read_project())}
