"""Docstrings of packages as a text: prose alone, each paragraph once, the same every time."""

import sys

import pytest

from aigc_tutorial.data import DataUnavailableError, docstring_prose

LONG = "This paragraph says at some length, and in words alone, what the function of module {} does"
SOURCE = '''
"""{long}.

Args:
    {long}, though here it only names an argument of the function.

Too short.

x = 1 + 2 * (3 / 4) - 5; y = [0, 1, 2, 3, 4]; z = {{"a": 1}}; w = x ** 2 + y[0] - z["a"] / 7 % 3

{shared}
"""

raise SystemExit("a module that is read must not be run")
'''
SHARED = (
    "The same paragraph stands in every module of this package, and must be read a single time."
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of twenty modules, one of them broken, and no standard library."""
    folder = tmp_path / "explained"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    for letter in "abcdefghijklmnopqrst":
        text = SOURCE.format(long=LONG.format(letter), shared=SHARED)
        (folder / f"{letter}.py").write_text(text)
    (folder / "broken.py").write_text('"""' + LONG.format("broken"))
    (folder / "tests" / "u.py").write_text(SOURCE.format(long=LONG.format("u"), shared=SHARED))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2")
    (tmp_path / "stdlib").mkdir()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "stdlib"))
    yield "explained"
    sys.modules.pop("explained", None)


def test_paragraphs_of_prose_are_read_once_and_nothing_else(package):
    text = docstring_prose(packages=[package])
    lines = text.text.splitlines()
    expected = [LONG.format(letter) + "." for letter in "abcdefghijklmnopqrst"]
    assert sorted(lines) == sorted([*expected, SHARED])
    assert "explained 1.2" in text.source.description


def test_the_held_out_part_is_of_modules_from_everywhere(package):
    lines = docstring_prose(packages=[package]).text.splitlines()
    letters = [line.split("module ")[1][0] for line in lines if line != SHARED]
    assert letters != sorted(letters)
    assert docstring_prose(packages=[package]).text.splitlines() == lines
    held_out = docstring_prose("validation", packages=[package])
    assert held_out.part == "validation"
    assert lines[-1] in held_out.text


@pytest.mark.parametrize("name", ["no_such_package", "not-a-name", "this"])
def test_a_package_that_is_not_there_is_named(name):
    with pytest.raises(DataUnavailableError, match=f"no installed package '{name}'"):
        docstring_prose(packages=[name])


def test_one_string_is_no_list_of_packages():
    with pytest.raises(TypeError, match="the one string 'torch'"):
        docstring_prose(packages="torch")


def test_the_packages_of_the_books_environment_hold_megabytes():
    text = docstring_prose(packages=["networkx"])
    assert len(text) > 1_000_000  # characters
    assert "networkx" in text.source.description
