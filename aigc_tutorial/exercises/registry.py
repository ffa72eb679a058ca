"""What an exercise is, how an answer is graded, and where the stub on a page comes from.

An exercise is declared once, as its solution: the decorated function is the reference, its
docstring the statement, and its signature with that docstring the stub. The wrong answers that
readers usually give stand beside it, each with the hint that it deserves; tests prove that every
one of them is caught.
"""

import ast
import dis
import inspect
import math
import textwrap
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from aigc_tutorial.integers import require_unmasked
from aigc_tutorial.nn import gradients_on

Cases = Callable[[torch.Generator], Iterable[tuple[Any, ...]]]
Level = Literal["warm-up", "core", "research"]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is likely, and the hint for whoever gives it."""

    answer: Callable[..., Any]
    hint: str


def _result(arguments: tuple[Any, ...], result: Any) -> Any:
    """Observe the returned value alone."""
    return result


@dataclass(frozen=True)
class Exercise:
    """One exercise with everything that belongs to it."""

    name: str
    page: str
    level: Level
    solution: Callable[..., Any]
    cases: Cases
    hint: str
    remark: str
    mistakes: Sequence[Mistake] = ()
    observe: Callable[[tuple[Any, ...], Any], Any] = _result

    @property
    def function_name(self) -> str:
        """Name of the function that the reader writes."""
        return self.solution.__name__

    @property
    def statement(self) -> str:
        """What is asked: the docstring of the solution."""
        return inspect.getdoc(self.solution) or ""

    def _definition(self) -> tuple[ast.FunctionDef, list[str], int]:
        lines, first = inspect.getsourcelines(inspect.unwrap(self.solution))
        node = ast.parse(textwrap.dedent("".join(lines))).body[0]
        assert isinstance(node, ast.FunctionDef)
        return node, textwrap.dedent("".join(lines)).splitlines(), first

    def solution_source(self) -> tuple[str, int]:
        """Source of the solution without its declaration as an exercise, and its first line."""
        node, lines, first = self._definition()
        return "\n".join(lines[node.lineno - 1 : node.end_lineno]), first + node.lineno - 1

    def stub(self) -> str:
        """What the page gives the reader: signature, statement, and three dots."""
        node, _, _ = self._definition()
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        mark = "r" if "\\" in self.statement else ""
        end = "\n" if "\n" in self.statement else ""
        body = textwrap.indent(f'{mark}"""{self.statement}{end}"""\n...', "    ")
        return f"def {node.name}({ast.unparse(node.args)}):\n{body}\n"


@dataclass(frozen=True)
class Grade:
    """Outcome of one answer, with the text that the reader sees."""

    status: Literal["solved", "unsolved", "wrong"]
    message: str


@dataclass(frozen=True)
class Raised:
    """An exception in place of a result."""

    type_name: str
    message: str


_REGISTRY: dict[str, Exercise] = {}


def exercise(
    name: str,
    *,
    page: str,
    level: Level,
    cases: Cases,
    hint: str,
    remark: str,
    mistakes: Sequence[Mistake] = (),
    observe: Callable[[tuple[Any, ...], Any], Any] = _result,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the decorated function as the solution of an exercise.

    Args:
        name: how ``check`` calls it, words joined by hyphens.
        page: file name of the page without its suffix.
        level: how hard it is.
        cases: makes the arguments of each case from a seeded generator; called anew for every
            answer, since an answer may change its arguments in place.
        hint: shown for a wrong answer that is none of ``mistakes``.
        remark: shown with a right answer; something further to think about.
        mistakes: likely wrong answers with their own hints.
        observe: what is compared, from the arguments and the result; by default the result.

    Raises:
        ValueError: if the name is taken.
    """

    def declare(solution: Callable[..., Any]) -> Callable[..., Any]:
        if name in _REGISTRY:
            raise ValueError(f"there is an exercise {name!r} already")
        _REGISTRY[name] = Exercise(
            name, page, level, solution, cases, hint, remark, tuple(mistakes), observe
        )
        return solution

    return declare


def registered() -> dict[str, Exercise]:
    """All exercises whose modules have been imported, in the order of their declaration."""
    return dict(_REGISTRY)


def is_blank(value: object) -> bool:
    """Whether a value stands for an answer that has not been written."""
    return value is None or value is Ellipsis


def _does_nothing(function: Callable[..., Any]) -> bool:
    """Whether a function is still a stub, with a constant such as ``...`` for its body."""
    if not inspect.isfunction(function):
        return False
    operations, of_a_stub = (
        [instruction.opname for instruction in dis.get_instructions(f)]
        for f in (function, lambda: ...)
    )
    return operations == of_a_stub


@contextmanager
def _as_imported() -> Iterator[None]:
    """Torch's settings as they are after its import; the reader's again afterwards."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"), gradients_on():
            yield
    finally:
        torch.set_default_dtype(dtype)


def outcomes(task: Exercise, answer: Callable[..., Any]) -> Iterator[Any]:
    """Observed result of each case, or the exception that it raised.

    Torch is as it is after its import, whatever the reader has set: gradients are on, numbers are
    float32 and on the CPU. Otherwise cases would be others, and a solution that differentiates
    would fail as a wrong answer does. The global random state is put to a known value before each
    case and back at the end.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(task.name.encode()))
    with _as_imported(), torch.random.fork_rng(devices=[]):
        for number, arguments in enumerate(task.cases(generator)):
            torch.default_generator.manual_seed(1000 + number)  # none that a case uses
            try:
                result = answer(*arguments)
                yield result if is_blank(result) else task.observe(arguments, result)
            except Exception as error:  # whatever a reader's code raises is part of the answer
                yield Raised(type(error).__name__, str(error))


def grade(task: Exercise, answer: Any) -> Grade:
    """Compare an answer with the solution on all cases.

    Args:
        task: the exercise.
        answer: the reader's function, or a value where the solution takes no arguments.
    """
    if is_blank(answer):
        return Grade("unsolved", f"{task.name}: not solved yet")
    function = answer if callable(answer) else lambda *_: answer
    given = list(outcomes(task, function))
    if all(is_blank(outcome) for outcome in given):
        if _does_nothing(function):
            return Grade("unsolved", f"{task.name}: not solved yet")
        advice = "what it has computed must stand behind return at its end."
        return Grade(
            "wrong", f"{task.name}: not yet; your function returns nothing. Hint: {advice}"
        )
    expected = list(outcomes(task, task.solution))
    wrong = _first_difference(given, expected)
    if wrong is None:
        count = "the case" if len(expected) == 1 else f"all {len(expected)} cases"
        return Grade("solved", f"{task.name}: right in {count}. {task.remark}")
    number, text = wrong
    hint = task.hint
    for mistake in task.mistakes:
        if _first_difference(given, list(outcomes(task, mistake.answer))) is None:
            hint = mistake.hint
            break
    place = f"in case {number + 1} of {len(expected)}, " if len(expected) > 1 else ""
    return Grade("wrong", f"{task.name}: not yet; {place}{text}. Hint: {hint}")


def _first_difference(given: list[Any], expected: list[Any]) -> tuple[int, str] | None:
    for number, (value, right) in enumerate(zip(given, expected, strict=True)):
        try:
            text = difference(value, right)
        except Exception as error:  # nothing that a reader's code returns ends the page
            reason = textwrap.shorten(str(error), 160, placeholder=" …")
            text = f"your answer cannot be compared ({type(error).__name__}: {reason})"
        if text is not None:
            return number, text
    return None


def difference(given: Any, expected: Any, what: str = "your answer") -> str | None:
    """Say how a value differs from the expected one; None if it does not.

    Values are compared, not types: it makes no difference whether numbers come from Python, NumPy
    or torch, in which precision, alone or in a list. True and False are the numbers 1 and 0. Whole
    numbers must be equal, others within a ten-thousandth.
    """
    if isinstance(given, Raised):
        if isinstance(expected, Raised) and given.type_name == expected.type_name:
            return None
        shortened = textwrap.shorten(given.message, 160, placeholder=" …")
        return f"your code raised {given.type_name}: {shortened}"
    if isinstance(expected, dict):
        return _dict_difference(given, expected)
    if isinstance(given, Tensor) and given.device.type == "meta":
        return f"{what} is on the meta device, which holds no values"
    given = _without_type(given)
    if isinstance(expected, list | tuple):
        return _list_difference(given, expected, what)
    if isinstance(expected, Tensor) and expected.ndim > 0:
        return _tensor_difference(given, expected, what)
    if isinstance(expected, Tensor):
        # What single precision leaves of a difference that should be zero is about 1e-7.
        return _number_difference(given, expected.item(), what, smallest=1e-6)
    if isinstance(expected, bool | int | float):
        return _number_difference(given, expected, what, smallest=1e-7)
    if type(given) is not type(expected) or given != expected:
        return f"{what} is {given!r}, expected {expected!r}"
    return None


def _without_type(value: Any) -> Any:
    """The same value as a Python number, a tensor of several numbers, a string or a list."""
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return value.item() if value.numel() == 1 and value.ndim <= 1 else value
    require_unmasked(value, "your answer")
    if hasattr(value, "__array__"):  # NumPy's scalars and arrays, and what can become one
        array = np.array(value)  # a copy, since torch warns of arrays that cannot be written to
        return _without_type(torch.from_numpy(array)) if array.dtype.kind in "biuf" else value
    if isinstance(value, Fraction):
        return float(value)
    return value


def _as_tensor(value: Any) -> Tensor:
    """A tensor of a number, of a tensor, or of a list of lists of them."""
    value = _without_type(value)
    if isinstance(value, list | tuple):
        return torch.stack([_as_tensor(part) for part in value]) if value else torch.empty(0)
    return torch.as_tensor(value)


def _dict_difference(given: Any, expected: dict[str, Any]) -> str | None:
    if not isinstance(given, dict):
        return f"your answer is {given!r}, expected {expected!r}"
    texts = (difference(given.get(key), value, key) for key, value in expected.items())
    return next((text for text in texts if text is not None), None)


def _list_difference(given: Any, expected: Sequence[Any], what: str) -> str | None:
    """Compare with a list; a tensor counts as the list of its rows."""
    if isinstance(given, Tensor) and given.ndim > 0:
        given = list(given)
    elif isinstance(given, bool | int | float) and len(expected) == 1:
        given = [given]  # it was a tensor of one number
    if not isinstance(given, list | tuple) or len(given) != len(expected):
        return f"{what} is {given!r}, expected {expected!r}"
    texts = (difference(a, b, what) for a, b in zip(given, expected, strict=True))
    return next((text for text in texts if text is not None), None)


def _number_difference(given: Any, expected: float, what: str, *, smallest: float) -> str | None:
    if isinstance(given, list | tuple) and len(given) == 1:
        given = _without_type(given[0])
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if not isinstance(given, bool | int | float):
        wanted = "True or False" if isinstance(expected, bool) else "a number"
        shape = f" of shape {tuple(given.shape)}" if isinstance(given, Tensor) else ""
        return f"{what} is of type {type(given).__name__}{shape}, expected {wanted}"
    if isinstance(expected, int):
        equal = given == expected or math.isclose(given, expected, rel_tol=1e-9)
        return None if equal else f"{what} is {given!r}, expected {expected!r}"
    both_missing = math.isnan(given) and math.isnan(expected)
    if both_missing or math.isclose(given, expected, rel_tol=1e-4, abs_tol=smallest):
        return None
    return f"{what} is {given:.4g}, expected {expected:.4g}"


def _tensor_difference(given: Any, expected: Tensor, what: str) -> str | None:
    if isinstance(given, list | tuple):
        given = _as_tensor(given)
    elif isinstance(given, bool | int | float) and expected.numel() == expected.ndim == 1:
        given = torch.tensor([given])  # a tensor of one number has lost its dimension
    if not isinstance(given, Tensor):
        return f"{what} is of type {type(given).__name__}, expected a tensor"
    if given.shape != expected.shape:
        return f"{what} has shape {tuple(given.shape)}, expected {tuple(expected.shape)}"
    if given.is_complex():
        return f"{what} holds complex numbers, expected real ones"
    a, b = given.double(), expected.detach().cpu().double()
    if not expected.is_floating_point():
        if torch.equal(a, b):
            return None
        return f"{what} has the right shape, but {int((a != b).sum())} of its values are wrong"
    # A shorter format is right to its own precision.
    precision = torch.finfo(given.dtype).eps if given.is_floating_point() else 0.0
    if torch.allclose(a, b, rtol=max(1e-4, 4 * precision), atol=1e-6, equal_nan=True):
        return None
    worst = (a - b).abs().max().item()
    return f"{what} has the right shape, but its values differ by up to {worst:.3g}"
