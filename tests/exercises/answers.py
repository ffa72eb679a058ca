"""Answers that a reader could give: right ones in another form, and wrong ones that look right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Answer = Callable[..., Any]


@dataclass(frozen=True)
class Answers:
    """Answers to one exercise beside its solution and its likely mistakes."""

    right: Sequence[Answer]
    wrong: Sequence[Answer]
