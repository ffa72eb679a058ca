"""Measured results as a table."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from aigc_tutorial.pages.display import Shown, format_number, show, typeset_number

_PADDING = "0.2em 0.8em"
# Text that is read as a number: one or several, with what belongs to them.
_UNITS = r"%|s|ms|min|h|MB|MiB|GB|nats?|bits?|points?|cents?|times|i"
_NUMBERS = re.compile(
    rf"(?:(?:about |≈ ?|± ?|< ?|> ?|\()*[+−-]?(?:\d[\d.,]*(?:e[+-]?\d+)?|inf)"
    rf"(?: ?(?:{_UNITS})(?!\w))?(?: of \d[\d,]*)?[)]?(?:,? +|/| ?[±×] ?|$))+|–|"
)


def _as_python(value: object) -> object:
    """A number of NumPy or torch as Python's own, a masked one as None; all else as it is."""
    if value is np.ma.masked:
        return None  # its item would be 0
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size == 1):
        return value.item()
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def _cell(value: object, formats: str | None) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return typeset_number(f"{value:{formats}}" if formats else f"{value:,}")
    if isinstance(value, float):
        return typeset_number(f"{value:{formats}}") if formats else format_number(value)
    text = str(value)
    return typeset_number(text) if _is_numeric(value) else text


def _is_numeric(value: object) -> bool:
    """Whether a cell is read as a number, and stands to the right."""
    if isinstance(value, int | float) or value is None:
        return True
    return isinstance(value, str) and _NUMBERS.fullmatch(value) is not None


def table(
    rows: Sequence[Mapping[Any, object]] | Sequence[Sequence[object]],
    columns: Sequence[object] | None = None,
    *,
    caption: str | None = None,
    formats: Mapping[Any, str] | None = None,
) -> None:
    """Show measured results as a table, numbers set to the right, also those that come as text.

    Args:
        rows: mappings from column to value, or sequences in the order of ``columns``.
        columns: names of the columns, or seeds, or whatever the keys are; others are left out. By
            default the keys of the first row, and then every row must have these and no others.
        caption: text above the table.
        formats: format specifications of columns, such as ``{"share": ".1%"}``, for numbers of
            Python, NumPy or torch.

    Raises:
        ValueError: if there are no rows, or one does not fit the columns.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ValueError(
            "expected a list of rows, each a dictionary or a list of values, got a "
            f"{type(rows).__name__}; a DataFrame's are frame.to_dict('records'), an array's "
            "array.tolist(), and of a dictionary list(results.items())"
        )
    if not rows:
        raise ValueError("there are no rows to show")
    if strange := [row for row in rows if not isinstance(row, Mapping | Sequence | np.ndarray)]:
        raise ValueError(
            f"expected each row as a dictionary or a list of values, got {strange[0]!r}; of a list "
            "of numbers make rows: [[number] for number in numbers]"
        )
    first, takes_all = rows[0], columns is None
    if columns is None:
        if not isinstance(first, Mapping):
            raise ValueError("rows without names need columns=[...]")
        columns = list(first)
    specifications = dict(formats or {})
    if unknown := sorted(map(str, set(specifications) - set(columns))):
        raise ValueError(f"formats name columns that are not there: {', '.join(unknown)}")
    values: list[list[object]] = []
    for number, row in enumerate(rows):
        if isinstance(row, Mapping):
            if missing := [str(name) for name in columns if name not in row]:
                raise ValueError(f"row {number} has no {', '.join(missing)}")
            if takes_all and (others := [str(x) for x in row if x not in columns]):
                raise ValueError(
                    f"row {number} has {', '.join(others)}, which the first row has not; name the "
                    "columns to show: columns=[...]"
                )
            values.append([_as_python(row[name]) for name in columns])
        elif len(row) == len(columns):
            values.append([_as_python(value) for value in row])
        else:
            raise ValueError(f"row {number} has {len(row)} values for {len(columns)} columns")
    text = [
        [_cell(v, specifications.get(name)) for name, v in zip(columns, row, strict=True)]
        for row in values
    ]
    numeric = [all(_is_numeric(row[i]) for row in values) for i in range(len(columns))]
    names = [str(name) for name in columns]
    show(
        Shown(
            plain=_plain_table(names, text, numeric, caption),
            html=_html_table(names, text, numeric, caption),
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
        f'<th scope="col" style="text-align: {side}; padding: {_PADDING}">{html.escape(name)}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align: {side}; padding: {_PADDING}">{html.escape(cell)}</td>'
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
