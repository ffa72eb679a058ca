"""Helpers for the pages of the book: source, result bands, failures that must happen."""

import inspect
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from aigc_tutorial.environment import repository_url
from aigc_tutorial.viz.display import Shown, format_number, literal, shorten, show

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
BRANCH = "main"


@dataclass(frozen=True)
class Listing:
    """Source of an object and where it stands."""

    code: str
    path: str
    first_line: int

    @property
    def last_line(self) -> int:
        """Number of the last line, counted from 1 as the first is."""
        return self.first_line + len(self.code.splitlines()) - 1

    def caption(self) -> str:
        """Path and line, as a link when the repository's address is known."""
        return self.linked(f"`{self.path}`, line {self.first_line}")

    def linked(self, text: str) -> str:
        """A Markdown text, as a link to the listing when the repository's address is known."""
        try:
            repository = repository_url().rstrip("/")
        except LookupError:  # no address is recorded: the text alone must do
            return text
        lines = f"#L{self.first_line}-L{self.last_line}"
        return f"[{text}]({repository}/blob/{BRANCH}/{self.path}{lines})"

    def shown(self) -> Shown:
        """The listing with its caption, as a fenced block."""
        markdown = f"{self.caption()}\n\n```python\n{self.code.rstrip()}\n```"
        return Shown(plain=f"# {self.path}, line {self.first_line}\n{self.code}", markdown=markdown)


def listing(obj: Any) -> Listing:
    """Source of a function, class, method or module, as it stands in its file.

    Raises:
        TypeError: if the object has no Python source, such as a number or a built-in.
    """
    target = inspect.unwrap(obj) if callable(obj) else obj
    try:
        lines, first_line = inspect.getsourcelines(target)
        path = inspect.getsourcefile(target)
    except (TypeError, OSError) as error:
        raise TypeError(
            f"{obj!r} has no Python source to show; give a function, class, method or module"
        ) from error
    file = Path(path or "")
    if file.is_relative_to(PACKAGE_FOLDER):
        name = file.relative_to(PACKAGE_FOLDER.parent).as_posix()
    else:
        name = file.name
    return Listing(textwrap.dedent("".join(lines)), name, max(1, first_line))


def show_source(obj: Any) -> None:
    """Show the source of an object of the package as highlighted Python.

    What the page shows is what it ran: the text is read from the file that was imported.
    """
    show(listing(obj).shown())


def _check_band(low: float, high: float) -> None:
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError(f"the band must go from low to high, got {low} to {high}")


def _bound(value: float) -> str:
    """An end of a band with the digits that it was given, up to six: 0.9999 is not 1."""
    return f"{value:.6g}" if abs(value) < 999.5 else format_number(value)


def _band(low: float, high: float, unit: str) -> str:
    after = f" {unit}" if unit else ""
    if math.isinf(high):
        return f"at least {_bound(low)}{after}"
    if math.isinf(low):
        return f"at most {_bound(high)}{after}"
    if low == high:
        return f"{_bound(low)}{after}"
    return f"{_bound(low)} to {_bound(high)}{after}"


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
        AssertionError: if the value lies outside the band or is not a number.
        ValueError: if ``low`` is above ``high``.
    """
    expect_band([value], low, high, what, unit)


def expect_band(
    values: Sequence[SupportsFloat], low: float, high: float, what: str, unit: str = ""
) -> None:
    """Assert that a result lies in its band for every one of several seeds.

    >>> expect_band([62.0, 64.9, 64.0], 50, 75, "Fréchet distance")
    ✓ Fréchet distance 62, 64.9, 64 (3 runs), expected 50 to 75

    Raises:
        AssertionError: if one value lies outside the band or is not a number.
        ValueError: if there are no values, or ``low`` is above ``high``.
    """
    _check_band(low, high)
    numbers = [float(value) for value in values]
    if not numbers:
        raise ValueError(f"there is no value of {what} to compare with its band")
    band = _band(low, high, unit)
    after = f" {unit}" if unit else ""
    measured = ", ".join(format_number(number) for number in numbers) + after
    if len(numbers) > 1:
        measured += f" ({len(numbers)} runs)"
    outside = [number for number in numbers if not low <= number <= high]
    if outside:
        raise AssertionError(
            f"{what} was {measured}, expected {band}. "
            "If the code was changed, find out what moved the result before moving the band."
        )
    show(
        Shown(
            plain=f"✓ {what} {measured}, expected {band}",
            markdown=f"✓ {literal(what)} **{literal(measured)}**, expected {literal(band)}",
        )
    )


@contextmanager
def shows_error(exception: type[BaseException], match: str) -> Iterator[None]:
    """Watch it fail: the block must raise this exception, which is then shown.

    >>> with shows_error(ZeroDivisionError, "division"):
    ...     1 / 0
    ✗ ZeroDivisionError: division by zero

    Args:
        exception: the type that must be raised, or a parent of it.
        match: short text that the message must contain. Messages differ between versions of
            torch, so state no more than the point needs.

    Raises:
        AssertionError: if nothing was raised, or the message lacks the text. Any other exception
            goes through as it is.
    """
    try:
        yield
    except exception as error:
        message = str(error)
        if match not in message:
            raise AssertionError(
                f"{type(error).__name__} was raised as expected, but its message lacks {match!r}: "
                f"{shorten(message)}"
            ) from error
        name, text = type(error).__name__, shorten(message)
        show(Shown(plain=f"✗ {name}: {text}", markdown=f"✗ `{name}`: {literal(text)}"))
        return
    raise AssertionError(f"this should have failed with {exception.__name__}, but it ran through")
