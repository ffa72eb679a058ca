"""Helpers for the pages of the book: source, result bands, tables, failures that must happen."""

import html
import inspect
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from aigc_tutorial.environment import repository_url

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
BRANCH = "master"


@dataclass(frozen=True)
class Shown:
    """Something a notebook shows as Markdown or HTML, and a terminal as plain text."""

    plain: str
    markdown: str | None = None
    html: str | None = None

    def __repr__(self) -> str:
        """The plain text: what a terminal shows."""
        return self.plain

    def _repr_markdown_(self) -> str | None:
        return self.markdown

    def _repr_html_(self) -> str | None:
        return self.html


def show(what: Shown) -> None:
    """Show at once, wherever in a cell this is called; without IPython, print."""
    try:
        from IPython.display import display
    except ImportError:
        print(what)
        return
    display(what)


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
        place = f"`{self.path}`, line {self.first_line}"
        try:
            repository = repository_url().rstrip("/")
        except LookupError:  # no address is recorded: the path alone still says where
            return place
        lines = f"#L{self.first_line}-L{self.last_line}"
        return f"[{place}]({repository}/blob/{BRANCH}/{self.path}{lines})"

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


def format_number(value: float) -> str:
    """Three significant digits without an exponent for usual sizes.

    >>> format_number(52.123), format_number(0.01234), format_number(12345.6)
    ('52.1', '0.0123', '12,346')
    """
    if math.isfinite(value) and abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _check_band(low: float, high: float) -> None:
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError(f"the band must go from low to high, got {low} to {high}")


def _band(low: float, high: float, unit: str) -> str:
    after = f" {unit}" if unit else ""
    if math.isinf(high):
        return f"at least {format_number(low)}{after}"
    if math.isinf(low):
        return f"at most {format_number(high)}{after}"
    return f"{format_number(low)} to {format_number(high)}{after}"


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


def literal(text: str) -> str:
    r"""Escape what Markdown would read as markup.

    >>> print(literal("loss_fake * 2"))
    loss\_fake \* 2
    """
    return re.sub(r"([\\`*_<>\[\]#$|~&])", r"\\\1", text)


def _cell(value: object, formats: str | None) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:{formats}}" if formats else f"{value:,}"
    if isinstance(value, float):
        return f"{value:{formats}}" if formats else format_number(value)
    return str(value)


def table(
    rows: Sequence[Mapping[str, object]] | Sequence[Sequence[object]],
    columns: Sequence[str] | None = None,
    *,
    caption: str | None = None,
    formats: Mapping[str, str] | None = None,
) -> None:
    """Show measured results as a table, numbers set to the right.

    Args:
        rows: mappings from column to value, or sequences in the order of ``columns``.
        columns: names of the columns; by default the keys of the first row.
        caption: text above the table.
        formats: format specifications of columns, such as ``{"share": ".1%"}``.

    Raises:
        ValueError: if a row does not fit the columns.
    """
    if not rows:
        raise ValueError("there are no rows to show")
    first = rows[0]
    if columns is None:
        if not isinstance(first, Mapping):
            raise ValueError("rows without names need columns=[...]")
        columns = list(first)
    specifications = dict(formats or {})
    if unknown := sorted(set(specifications) - set(columns)):
        raise ValueError(f"formats name columns that are not there: {', '.join(unknown)}")
    values: list[list[object]] = []
    for number, row in enumerate(rows):
        if isinstance(row, Mapping):
            if missing := [name for name in columns if name not in row]:
                raise ValueError(f"row {number} has no {', '.join(missing)}")
            values.append([row[name] for name in columns])
        elif len(row) == len(columns):
            values.append(list(row))
        else:
            raise ValueError(f"row {number} has {len(row)} values for {len(columns)} columns")
    text = [
        [_cell(v, specifications.get(name)) for name, v in zip(columns, row, strict=True)]
        for row in values
    ]
    numeric = [
        all(isinstance(row[i], int | float) or row[i] is None for row in values)
        for i in range(len(columns))
    ]
    show(
        Shown(
            plain=_plain_table(columns, text, numeric, caption),
            html=_html_table(columns, text, numeric, caption),
        )
    )


def _plain_table(
    columns: Sequence[str], text: list[list[str]], numeric: list[bool], caption: str | None
) -> str:
    widths = [max(map(len, cells)) for cells in zip(columns, *text, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [list(columns), *text]
    ]
    return "\n".join([caption, *lines] if caption else lines)


def _html_table(
    columns: Sequence[str], text: list[list[str]], numeric: list[bool], caption: str | None
) -> str:
    # The class is the one that the book's theme and Jupyter know from pandas.
    sides = ["right" if right else "left" for right in numeric]
    head = "".join(
        f'<th scope="col" style="text-align: {side}">{html.escape(name)}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align: {side}">{html.escape(cell)}</td>'
            for cell, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in text
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return (
        f'<table class="dataframe">{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def shorten(message: str, length: int = 220) -> str:
    """First lines of a message, cut at a word."""
    return textwrap.shorten(message, length, placeholder=" …")


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
