r"""A link from every labelled equation to the test that computes both of its sides.

A page writes ``$$ … $$ (label)``; ``tests/equations/test_*.py`` has a test marked
``@pytest.mark.equation("label")``. A label without a test is a warning, and fails the build.
"""

import ast
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from .repository import ROOT, source_url

TESTS = ROOT / "tests" / "equations"
LOGGER = logging.getLogger(__name__)


def is_equation_mark(node: ast.expr) -> bool:
    """Return whether an expression is a call of ``pytest.mark.equation``."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.equation"


def equation_tests(folder: Path = TESTS) -> dict[str, tuple[str, int]]:
    """Return for each label the first test that carries it: path in the repository, and line.

    Args:
        folder: Folder whose ``test_*.py`` files are read (not run).
    """
    tests: dict[str, tuple[str, int]] = {}
    for path in sorted(folder.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            for mark in filter(is_equation_mark, node.decorator_list):
                assert isinstance(mark, ast.Call)
                for argument in mark.args:
                    label = ast.literal_eval(argument)
                    tests.setdefault(
                        label, (path.relative_to(folder.parents[1]).as_posix(), node.lineno)
                    )
    return tests


def find_tests(app: Sphinx, config: Config) -> None:
    """Read the tests; as a setting, so that pages are read again when a test comes or goes."""
    config.aigc_equation_tests = equation_tests()


def link_equations(app: Sphinx, doctree: nodes.document) -> None:
    """Put a small link after each labelled equation."""
    for equation in list(doctree.findall(nodes.math_block)):
        label = equation.get("label")
        if not label:
            continue
        test = app.config.aigc_equation_tests.get(label)
        if test is None:
            LOGGER.warning(
                "equation %r has no test: mark one in tests/equations with "
                "@pytest.mark.equation(%r)",
                label,
                label,
                location=equation,
            )
            continue
        path, line = test
        link = nodes.reference(
            "",
            "checked",
            refuri=f"{source_url(ROOT / path)}#L{line}",
            reftitle=f"Both sides of this equation are computed and compared in {path}",
        )
        note = nodes.paragraph("", "", link, classes=["equation-test"])
        equation.parent.insert(equation.parent.index(equation) + 1, note)


def setup(app: Sphinx) -> None:
    """Register the setting and connect to reading."""
    app.add_config_value("aigc_equation_tests", {}, "env")
    app.connect("config-inited", find_tests)
    app.connect("doctree-read", link_equations)
