"""Bands in which results must fall, and failures that must happen."""

import math
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any, SupportsFloat

import numpy as np
from torch import Tensor

from aigc_tutorial.integers import require_unmasked
from aigc_tutorial.pages.display import (
    Shown,
    format_number,
    literal,
    shorten,
    show,
    typeset_number,
    without_folders,
)


def _check_band(low: float, high: float) -> None:
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError(f"the band must go from low to high, got {low} to {high}")


def _bound(value: float) -> str:
    """An end of a band with the digits that it was given, up to six: 0.9999 is not 1.

    One with more digits was computed, and is shown as other numbers are.
    """
    was_given = abs(value) < 999.5 and float(f"{value:.6g}") == value
    return typeset_number(f"{value:.6g}") if was_given else format_number(value)


def _band(low: float, high: float, unit: str) -> str:
    after = f" {unit}" if unit else ""
    if math.isinf(high):
        return f"at least {_bound(low)}{after}"
    if math.isinf(low):
        return f"at most {_bound(high)}{after}"
    if low == high:
        return f"{_bound(low)}{after}"
    return f"{_bound(low)} to {_bound(high)}{after}"


def _measured(value: float, low: float, high: float) -> str:
    """A value with the digits that its band makes sensible: what is tiny beside it is about 0."""
    width = high - low
    tiny = math.isfinite(width) and 0 < abs(value) < min(1e-4, 0.01 * width)
    return "≈ 0" if tiny and low <= 0 <= high else format_number(value)


def _as_number(value: Any, what: str) -> float:
    """A number of Python's, or the one that a tensor or an array holds."""
    require_unmasked(value, what)  # the mean of nothing but masked entries would be 0
    if isinstance(value, Tensor | np.ndarray):
        if math.prod(value.shape) != 1:
            raise ValueError(
                f"{what} must be one number, got {tuple(value.shape)} of them; take their mean, "
                "or expect_band for one a seed"
            )
        value = value.item()
    if not isinstance(value, SupportsFloat):
        raise ValueError(f"{what} must be a number, got a {type(value).__name__}")
    return float(value)


def expect(value: SupportsFloat, low: float, high: float, what: str, unit: str = "") -> None:
    """Assert that a measured result lies in its band, and say so in one line.

    >>> expect(52.13, 40, 75, "Fréchet distance")
    ✓ Fréchet distance 52.1, expected 40 to 75

    Args:
        value: the result, a number or a tensor with one.
        low: lower end of the band, included; ``-math.inf`` for none.
        high: upper end of the band, included; ``math.inf`` for none.
        what: name of the result.
        unit: written behind the value.

    Raises:
        AssertionError: if the value lies outside the band or is not a number (NaN).
        ValueError: if it is several numbers or none, or ``low`` is above ``high``.
    """
    expect_band([value], low, high, what, unit)


def expect_band(
    values: Iterable[SupportsFloat], low: float, high: float, what: str, unit: str = ""
) -> None:
    """Assert that a result lies in its band for every one of several seeds.

    >>> expect_band([62.0, 64.9, 64.0], 50, 75, "Fréchet distance")
    ✓ Fréchet distance 62, 64.9, 64 (3 runs), expected 50 to 75

    Raises:
        AssertionError: if one value lies outside the band or is not a number (NaN).
        ValueError: if there are no values, one is several numbers or none, they are given by name
            or seed, so that the names would be compared, or ``low`` is above ``high``.
    """
    _check_band(low, high)
    if isinstance(values, Mapping | Set):
        raise ValueError(
            f"the values of {what} must be in a list, one for each seed, got a "
            f"{type(values).__name__}; of a dictionary give its values: list(results.values())"
        )
    numbers = [_as_number(value, what) for value in values]
    if not numbers:
        raise ValueError(f"there is no value of {what} to compare with its band")
    band = _band(low, high, unit)
    after = f" {unit}" if unit else ""
    outside = [number for number in numbers if not low <= number <= high]
    # Where the band fails, rounded values could seem to lie in it.
    written = [
        typeset_number(repr(number).removesuffix(".0")) if outside else _measured(number, low, high)
        for number in numbers
    ]
    measured = ", ".join(written) + after
    if len(numbers) > 1:
        measured += f" ({len(numbers)} runs)"
    if outside:
        raise AssertionError(
            f"{what} was {measured}, expected {band}. "
            "If the code was changed, find out what moved the result before moving the band."
        )
    name = typeset_number(what)
    show(
        Shown(
            plain=f"✓ {name} {measured}, expected {band}",
            markdown=f"✓ {literal(name)} **{literal(measured)}**, expected {literal(band)}",
        )
    )


@contextmanager
def shows_error(exception: type[BaseException], match: str | tuple[str, ...]) -> Iterator[None]:
    """Watch it fail: the block must raise this exception, which is then shown.

    >>> with shows_error(ZeroDivisionError, "division"):
    ...     1 / 0
    ✗ ZeroDivisionError: division by zero

    Args:
        exception: the type that must be raised, or a parent of it.
        match: short text that the message must contain, or several of which it must contain one:
            messages differ between versions of torch, so state no more than the point needs.

    Raises:
        AssertionError: if nothing was raised, or the message lacks the text. Any other exception
            goes through as it is.
    """
    try:
        yield
    except exception as error:
        message = str(error)
        texts = (match,) if isinstance(match, str) else match
        if not any(text in message for text in texts):
            raise AssertionError(
                f"{type(error).__name__} was raised as expected, but its message lacks "
                f"{' or '.join(map(repr, texts))}: "
                f"{shorten(message)}"
            ) from error
        name, text = type(error).__name__, shorten(without_folders(message))
        show(Shown(plain=f"✗ {name}: {text}", markdown=f"✗ `{name}`: {literal(text)}"))
        return
    raise AssertionError(f"this should have failed with {exception.__name__}, but it ran through")
