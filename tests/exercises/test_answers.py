"""Right answers are accepted in every form, wrong ones rejected however near they come."""

import importlib
import pkgutil

import pytest

import tests.exercises
from aigc_tutorial import exercises
from tests.exercises.answers import Answers


def collected() -> dict[str, Answers]:
    """Answers to all exercises, from the modules ``answers_*`` beside this one."""
    found: dict[str, Answers] = {}
    for module in pkgutil.iter_modules(tests.exercises.__path__):
        if module.name.startswith("answers_"):
            found |= importlib.import_module(f"tests.exercises.{module.name}").ANSWERS
    return found


ANSWERS = collected()
EACH = [
    pytest.param(name, kind, answer, id=f"{name}-{kind}-{number}")
    for name, answers in ANSWERS.items()
    for kind, group in (("right", answers.right), ("wrong", answers.wrong))
    for number, answer in enumerate(group)
]


@pytest.mark.parametrize(("name", "kind", "answer"), EACH)
def test_answer_is_graded_as_it_deserves(name, kind, answer):
    result = exercises.evaluate(name, answer)
    assert result.status == {"right": "solved", "wrong": "wrong"}[kind], result.message


@pytest.mark.parametrize("name", exercises.names())
def test_every_exercise_is_tried_with_ten_answers(name):
    answers = ANSWERS[name]
    mistakes = exercises.find(name).mistakes
    assert len(answers.right) >= 2
    assert len(answers.right) + len(answers.wrong) + len(mistakes) >= 10
