"""The examples in the package's docstrings do what they show."""

import doctest
import importlib
import pkgutil

import pytest

import aigc_tutorial

MODULES = [
    aigc_tutorial.__name__,
    *(m.name for m in pkgutil.walk_packages(aigc_tutorial.__path__, "aigc_tutorial.")),
]


def examples(name: str) -> list[doctest.DocTest]:
    """Return the docstrings of a module that have examples."""
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_show_what_happens(name, monkeypatch):
    monkeypatch.setenv("AIGC_TUTORIAL_OFFLINE", "1")
    for test in examples(name):
        report: list[str] = []
        result = doctest.DocTestRunner().run(test, out=report.append)
        assert result.failed == 0, "\n".join(report)


def test_there_are_examples():
    assert sum(len(examples(name)) for name in MODULES) >= 8
