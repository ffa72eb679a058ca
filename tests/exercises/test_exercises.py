"""Exercises: solutions pass, stubs are unsolved, and every likely mistake is caught by name."""

import math
import subprocess
import sys
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from aigc_tutorial import exercises
from aigc_tutorial.exercises import registry
from aigc_tutorial.exercises.registry import Exercise, Mistake, Raised, difference, grade
from aigc_tutorial.pages.display import Shown

NAMES = exercises.names()
MISTAKES = [
    pytest.param(name, mistake, id=f"{name}-{number}")
    for name in NAMES
    for number, mistake in enumerate(exercises.find(name).mistakes)
]


@pytest.fixture
def shown(monkeypatch):
    record: list[Shown] = []
    monkeypatch.setattr(exercises, "show", record.append)
    return record


@pytest.mark.parametrize("name", NAMES)
def test_solution_is_right(name):
    result = exercises.evaluate(name, exercises.find(name).solution)
    assert result.status == "solved", result.message


@pytest.mark.parametrize("name", NAMES)
def test_solution_as_shown_is_right(name, shown):
    """What a reader copies from the folded solution solves the exercise."""
    exercises.show_solution(name)
    assert shown[0].markdown.startswith("<details>\n<summary>Show the solution</summary>")
    code = shown[0].markdown.split("```python\n")[1].split("\n```")[0]
    assert not code.startswith("@")
    scope = dict(sys.modules[exercises.find(name).solution.__module__].__dict__)
    exec(code, scope)
    assert exercises.evaluate(name, scope[exercises.find(name).function_name]).status == "solved"


@pytest.mark.parametrize("name", NAMES)
def test_stub_is_not_solved_yet(name, shown):
    scope: dict[str, Any] = {}
    exec(exercises.stub(name), scope)  # needs no import
    function = scope[exercises.find(name).function_name]
    assert function.__doc__.strip().splitlines()[0].endswith((".", ":", "``."))
    exercises.check(name, function)
    assert shown[0].plain == f"○ {name}: not solved yet"


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_mistake_is_caught_with_its_hint(name, mistake):
    result = exercises.evaluate(name, mistake.answer)
    assert result.status == "wrong"
    assert result.message.endswith(f"Hint: {mistake.hint}")


@pytest.mark.parametrize("name", NAMES)
def test_code_that_fails_is_an_answer_too(name, shown):
    def answer(*_):
        raise IndexError("out of range")

    exercises.check(name, answer)
    assert "your code raised IndexError: out of range" in shown[0].plain
    assert exercises.find(name).hint in shown[0].plain


@contextmanager
def another_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "set_by_the_reader",
    [torch.no_grad, torch.inference_mode, another_default_dtype, lambda: torch.device("meta")],
    ids=["no_grad", "inference_mode", "default dtype", "default device"],
)
def test_what_the_reader_has_set_changes_no_verdict(set_by_the_reader):
    """Without gradients a solution that differentiates would fail, as any wrong answer can."""

    def fails(*_):
        raise RuntimeError

    for name in NAMES:
        task = exercises.find(name)
        expected = list(registry.outcomes(task, task.solution))
        with set_by_the_reader():
            found = list(registry.outcomes(task, task.solution))
            assert grade(task, fails).status == "wrong", name
        assert registry._first_difference(found, expected) is None, name
    assert torch.get_default_dtype() == torch.float32


def on_meta(value):
    """The value with every tensor in it on the meta device, and a number as such a tensor."""
    if isinstance(value, torch.Tensor):
        return torch.empty_like(value, device="meta")
    if isinstance(value, list | tuple):
        return type(value)(on_meta(part) for part in value)
    if isinstance(value, dict):
        return {key: on_meta(part) for key, part in value.items()}
    return torch.empty((), device="meta")


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_without_values_is_wrong_and_raises_nothing(name, shown):
    solution = exercises.find(name).solution
    exercises.check(name, lambda *arguments: on_meta(solution(*arguments)))
    exercises.check(name, lambda *_: torch.empty(3, device="meta"))
    assert [block.plain[0] for block in shown] == ["✗", "✗"]


class Incomparable:
    """What raises on every comparison, and in its own description."""

    def __eq__(self, other):
        raise ArithmeticError("no comparison")

    __hash__ = object.__hash__

    def __repr__(self):
        raise ArithmeticError("no description")


@pytest.mark.parametrize("right", [3, [3], {"a": 3}, 3.0, "a", torch.ones(2)])
def test_an_answer_that_cannot_be_compared_is_wrong_and_raises_nothing(right):
    task = plain_exercise(lambda: right, lambda rng: [()])
    assert grade(task, lambda: Incomparable()).status == "wrong"


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("03_2_1_gan_steps", 3),
        ("03_2_2_ar_steps", 3),
        ("03_3_strengths_limits", 3),
        ("03_4_applications", 3),
        ("04_1_models", 4),
        ("04_2_1_gan_math", 3),
        ("04_2_2_ar_math", 3),
        ("04_3_mnist_case", 3),
        ("05_1_environment", 3),
        ("05_2_implementation", 3),
        ("05_3_walkthrough", 4),
        ("05_4_results", 3),
        ("05_5_engineering", 5),
        ("06_2_news_monitoring", 4),
        ("06_1_customer_service", 4),
        ("06_3_recommendation", 4),
        ("06_4_outlook", 4),
        ("07_resources", 3),
        ("08_summary", 4),
    ],
)
def test_pages_have_their_exercises(page, least):
    own = exercises.names(page)
    assert least <= len(own) <= 5
    assert set(own) <= set(NAMES)


def test_nothing_written_is_not_solved(shown):
    exercises.check("choose-device", ...)
    exercises.check("choose-device", None)
    assert all("not solved yet" in block.plain for block in shown)


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean scale-pixels"):
        exercises.check("scale-pixel", lambda x: x)


def test_hint_gives_no_solution_away(shown):
    exercises.hint("detach")
    assert shown[0].plain == exercises.find("detach").hint


def test_checking_leaves_the_reader_s_randomness_alone():
    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    exercises.evaluate("own-randomness", lambda n, seed: torch.randn(n))
    assert torch.equal(torch.randn(2), expected)


def test_readers_meet_the_same_cases_every_time():
    def seen():
        record = []
        exercises.evaluate("broadcasting", lambda logits, labels: record.append(logits.clone()))
        return record

    first, second = seen(), seen()
    assert first
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def plain_exercise(solution, cases, **options):
    return Exercise("n", "p", "core", solution, cases, hint="h", remark="r", **options)


def test_some_missing_results_are_wrong_not_unsolved():
    task = plain_exercise(lambda x: x + 1, lambda generator: [(1,), (2,)])
    assert grade(task, lambda x: x + 1 if x == 1 else None).status == "wrong"
    assert grade(task, lambda x: None).status == "unsolved"


def forgets_to_return(x):
    """Compute, and keep it."""
    print(x + 1)


@pytest.mark.parametrize("answer", [forgets_to_return, print, [].append])
def test_who_only_forgets_to_return_has_written_something(answer):
    task = plain_exercise(lambda x: x + 1, lambda generator: [(1,), (2,)])
    result = grade(task, answer)
    assert result.status == "wrong"
    assert "returns nothing" in result.message


def test_a_value_may_be_the_answer():
    task = plain_exercise(lambda: 2.5, lambda generator: [()])
    assert grade(task, 2.5).status == "solved"
    assert grade(task, torch.tensor(2.5)).status == "solved"
    assert grade(task, 2.6).status == "wrong"


def test_general_hint_for_an_unknown_mistake():
    task = plain_exercise(
        lambda x: x, lambda generator: [(1,)], mistakes=[Mistake(lambda x: -x, "sign")]
    )
    assert grade(task, lambda x: -x).message.endswith("Hint: sign")
    assert grade(task, lambda x: 7).message.endswith("Hint: h")


def same_value_in_other_forms(value):
    """The value as NumPy's, as Python's, in double precision and as a tensor."""
    if isinstance(value, torch.Tensor):
        yield value.numpy()
        yield value.tolist()
        yield value.double() if value.is_floating_point() else value.int()
        if value.ndim:
            yield list(value)
    elif isinstance(value, bool | int | float):
        yield np.float64(value)
        yield np.array(value)
        yield torch.tensor(value, dtype=torch.float64)
        yield Fraction(value) if math.isfinite(value) else value
    elif isinstance(value, list | tuple):
        yield type(value)(next(same_value_in_other_forms(part)) for part in value)
        yield list(value)
        yield tuple(value)
        if value and all(isinstance(part, bool | int | float) for part in value):
            yield np.array(value)
            yield torch.tensor(value, dtype=torch.float64)
    else:
        yield value


def is_plain(task):
    """Whether the result alone is compared, and not what was done to an argument."""
    return task.observe is registry._result


@pytest.mark.parametrize("name", [name for name in NAMES if is_plain(exercises.find(name))])
@pytest.mark.parametrize("form", range(4))
def test_a_right_value_is_right_in_every_form(name, form):
    """Rejected once: Python floats, NumPy scalars, double precision, 75.0 for 75."""
    solution = exercises.find(name).solution

    def answer(*arguments):
        forms = list(same_value_in_other_forms(solution(*arguments)))
        return forms[min(form, len(forms) - 1)]

    assert exercises.evaluate(name, answer).status == "solved"


@pytest.mark.parametrize(
    ("given", "expected", "part"),
    [
        (torch.zeros(2, 2), torch.zeros(2), "has shape"),
        (0.0, torch.zeros(2), "expected a tensor"),
        (torch.zeros(2) + 1j, torch.zeros(2), "complex"),
        (torch.tensor([0.0, 3.0]), torch.zeros(2), "up to 3"),
        (torch.tensor(float("nan")), torch.tensor(0.0), "is nan"),
        (torch.tensor([1, 2, 4]), torch.tensor([1, 2, 3]), "1 of its values"),
        (torch.tensor([True, True]), torch.tensor([True, False]), "1 of its values"),
        (torch.ones(2), 1.0, "of shape (2,), expected a number"),
        ("1", 1.0, "expected a number"),
        ("True", True, "expected True or False"),
        (75.5, 75, "expected 75"),
        (1_000_001, 1_000_000, "expected 1000000"),
        (0, True, "expected True"),
        (np.float64(2.0), 1.0, "is 2, expected 1"),
        ("cpu", "cuda", "expected 'cuda'"),
        ([1, 2], [1, 3], "expected 3"),
        ([1], [1, 3], "expected"),
        ({1, 3}, [1, 3], "expected"),
        (torch.tensor([1, 2]), [1, 3], "expected 3"),
        ({"a": 1.0}, {"a": 2.0}, "a is 1"),
        (Raised("E", "m"), 1.0, "raised E: m"),
    ],
)
def test_differences_are_named(given, expected, part):
    assert part in (difference(given, expected) or "")


def test_what_a_mask_hides_is_no_answer():
    hidden = np.ma.array([1.0, 2.0], mask=[False, True])
    for given, expected in ((hidden, torch.tensor([1.0, 2.0])), (hidden[1], 0.0)):
        with pytest.raises(ValueError, match="your answer has 1 masked entries"):
            difference(given, expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.ones(2).double(), torch.ones(2)),
        (torch.full((2,), 1 / 3).half(), torch.full((2,), 1 / 3)),
        (np.ones((2, 1)), torch.ones(2, 1)),
        ([[1, 2], [3, 4]], torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
        ([torch.tensor(1.0), np.float32(2.0)], torch.tensor([1.0, 2.0])),
        (1.5, torch.tensor(1.5)),
        (torch.tensor([[1.5]]), torch.tensor(1.5)),
        (torch.tensor([2.0]), torch.tensor([2.0])),
        (torch.tensor([2]), [2]),
        (75.0, 75),
        (1, True),
        (np.bool_(False), False),
        (torch.tensor([1, 0]), torch.tensor([True, False])),
        ((np.int64(1), torch.tensor(2.0)), [1, 2.0]),
        (torch.empty(0), []),
        (torch.device("cuda"), "cuda"),
        (Fraction(1, 4), 0.25),
    ],
)
def test_values_are_compared_and_not_types(given, expected):
    assert difference(given, expected) is None


@pytest.mark.parametrize("value", [torch.ones(2), 1.5, True, "x", [1, 2.0], {"a": torch.ones(1)}])
def test_equal_things_do_not_differ(value):
    assert difference(value, value) is None


def test_names_are_unique():
    taken = exercises.find("detach")
    with pytest.raises(ValueError, match="already"):
        registry.exercise(
            "detach", page="p", level="core", cases=taken.cases, hint="h", remark="r"
        )(taken.solution)


def test_exercises_need_no_figures():
    code = (
        "import sys; from aigc_tutorial import exercises; exercises.names(); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
