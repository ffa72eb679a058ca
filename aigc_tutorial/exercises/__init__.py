"""Exercises that check themselves.

A page holds a stub; the reader replaces its three dots and runs

>>> from aigc_tutorial import exercises
>>> exercises.check("choose-device", lambda has_cuda, has_mps: ...)
○ choose-device: not solved yet

An answer is compared with the solution on seeded cases. What is not solved is said calmly, so a
page runs through before its reader has written anything.
"""

import difflib
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

from aigc_tutorial.exercises.registry import Exercise, Grade, grade, registered
from aigc_tutorial.pages.display import Shown, literal, show
from aigc_tutorial.pages.source import PACKAGE_FOLDER, Listing

__all__ = ["check", "hint", "names", "show_solution", "stub"]

_MARKS = {"solved": "✓", "unsolved": "○", "wrong": "✗"}


def _all() -> dict[str, Exercise]:
    """Import every page's exercises and return them by name."""
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("page_"):
            importlib.import_module(f"{__name__}.{module.name}")
    return registered()


def find(name: str) -> Exercise:
    """The exercise of that name.

    Raises:
        ValueError: if there is none; the message names the nearest ones.
    """
    exercises = _all()
    if name not in exercises:
        near = difflib.get_close_matches(name, exercises, n=3) or sorted(exercises)
        raise ValueError(f"there is no exercise {name!r}; did you mean {', '.join(near)}?")
    return exercises[name]


def names(page: str | None = None) -> list[str]:
    """Names of all exercises, or of those of one page, such as ``"05_2_implementation"``."""
    return [task.name for task in _all().values() if page in (None, task.page)]


def evaluate(name: str, answer: Any) -> Grade:
    """Grade an answer without showing anything."""
    return grade(find(name), answer)


def check(name: str, answer: Any) -> None:
    """Compare an answer with the solution and say in one line how it did.

    Args:
        name: name of the exercise.
        answer: the function that the reader wrote. A stub, None and ``...`` count as not solved
            yet.

    Raises:
        ValueError: if there is no such exercise. A wrong answer raises nothing.
    """
    result = evaluate(name, answer)
    text = f"{_MARKS[result.status]} {result.message}"
    show(Shown(plain=text, markdown=literal(text)))


def hint(name: str) -> None:
    """Show the general hint of an exercise."""
    text = find(name).hint
    show(Shown(plain=text, markdown=literal(text)))


def stub(name: str) -> str:
    """The code cell that a page gives its reader, derived from the solution."""
    return find(name).stub()


def show_solution(name: str) -> None:
    """Show the solution, read from the package; in a notebook and on a page it is folded."""
    task = find(name)
    code, first_line = task.solution_source()
    file = Path(inspect.getsourcefile(inspect.unwrap(task.solution)) or "")
    path = file.resolve().relative_to(PACKAGE_FOLDER.parent).as_posix()
    listing = Listing(code, path, first_line).shown()
    folded = f"<details>\n<summary>Show the solution</summary>\n\n{listing.markdown}\n\n</details>"
    show(Shown(plain=listing.plain, markdown=folded))
