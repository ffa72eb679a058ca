"""What several applications ask of their arguments, each in a sentence."""

import math
from collections.abc import Iterable
from typing import Any


def as_texts(texts: Iterable[Any], name: str = "texts", *, at_least: int = 1) -> list[str]:
    """Texts as a list.

    Args:
        texts: the texts.
        name: of the argument, for the message.
        at_least: how many there must be.

    Raises:
        ValueError: if it is one text, which would be read letter by letter, or holds too few, or
            other things.
    """
    if isinstance(texts, str | bytes):
        raise ValueError(f"{name} must be a list of texts, got one text alone; write [text]")
    found = list(texts)
    for i, text in enumerate(found):
        if not isinstance(text, str):
            raise ValueError(f"{name} must hold texts alone, and number {i} is {text!r}")
    if len(found) < at_least:
        raise ValueError(f"{name} must hold {at_least} or more, got {len(found)}")
    return found


def as_share(value: float, name: str) -> float:
    """A number from 0 to 1, both ends included.

    Raises:
        ValueError: if it is something else, such as per cent, or NaN.
    """
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {share:g}")
    return share


def require_probability(value: float, name: str) -> None:
    """Refuse a number that does not lie between 0 and 1, or is an end of it.

    Raises:
        ValueError: if it does not.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")


def require_positive(value: float, name: str) -> None:
    """Refuse a number that is zero, negative, infinite or none.

    Raises:
        ValueError: if it is one of these.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
