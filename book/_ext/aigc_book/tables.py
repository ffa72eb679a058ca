"""Wide tables on a phone: a card for each row, or a first column that stays in sight.

A wide table of few rows, or one of words, is read row by row: on a phone each row becomes a card,
and every cell says its column. Many rows of numbers are there to be compared: they stay a table
that scrolls, and the first column, which says what a row is, stays where it is. The style sheet has
the looks.
"""

import re
from html import unescape

PHONE = 39
"""So many letters fit side by side on a phone; each column takes one and a half for its edges."""

N_CARDS = 8
"""More rows of numbers than these are compared down their columns."""

N_CARDS_OF_WORDS = 20
"""More cards than these would be a long way to scroll."""

N_LINES = 4
"""A row of three cells or more whose text fills as many lines of a phone is prose, not a table."""

_TABLE = re.compile(r'<table class="([^"]*)"(.*?)</table>', re.DOTALL)
_HEAD = re.compile(r"<thead>(.*?)</thead>", re.DOTALL)
_BODY = re.compile(r"<tbody>.*?</tbody>", re.DOTALL)
_ROW = re.compile(r"<tr\b[^>]*>.*?</tr>", re.DOTALL)
_CELL = re.compile(r"(<t([dh])\b[^>]*>)(.*?)</t\2>", re.DOTALL)
_PARAGRAPH = re.compile(r"</?p\b[^>]*>")
_UNSEEN = re.compile(r"<mjx-assistive-mml.*?</mjx-assistive-mml>|<[^>]+>", re.DOTALL)


def with_narrow_form(html: str) -> str:
    """Give each wide table of a page's body what its form for a phone needs."""
    return _TABLE.sub(_narrow, html)


def _narrow(match: re.Match[str]) -> str:
    classes, rest = match[1], match[2]
    head, body = _HEAD.search(rest), _BODY.search(rest)
    if head is None or body is None or "colspan" in rest or "rowspan" in rest:
        return match[0]
    rows = [[cell[2] for cell in _CELL.findall(row)] for row in _ROW.findall(rest)]
    prose = is_prose(rows)
    if least_width(rows) <= PHONE and not prose:
        return match[0]
    names = [_PARAGRAPH.sub("", name).strip() for name in rows[0]]
    if len(rows) - 1 > (N_CARDS_OF_WORDS if prose or has_words(rows[1:]) else N_CARDS):
        return f'<table class="{classes} wide"{rest}</table>'
    cards = _ROW.sub(lambda row: _as_card(row[0], names), body[0])
    rest = rest[: body.start()] + cards + rest[body.end() :]
    return f'<table class="{classes} cards"{rest}</table>'


def least_width(rows: list[list[str]]) -> float:
    """Return how many letters wide a table is when it breaks its lines wherever it may."""
    columns = zip(*rows, strict=True)
    return sum(1.5 + max(_longest_word(cell) for cell in column) for column in columns)


def is_prose(rows: list[list[str]]) -> bool:
    """Return whether a row of three cells or more is so long that its columns are a word wide.

    Args:
        rows: HTML of the cells, the head's first.
    """
    lengths = [sum(1.5 + len(_text(cell)) for cell in row) for row in rows[1:] if len(row) > 2]
    return max(lengths, default=0) > N_LINES * PHONE


def has_words(rows: list[list[str]]) -> bool:
    """Return whether most cells after the first of their row begin with a letter, as words do.

    Args:
        rows: HTML of the cells, without the head's; what is empty, or a dash, counts for neither.
    """
    cells = [_text(cell) for row in rows for cell in row[1:]]
    said = [cell for cell in cells if cell.strip("–-")]
    return sum(cell[0].isalpha() for cell in said) > len(said) / 2


def _text(cell: str) -> str:
    return unescape(_UNSEEN.sub("", cell)).strip()


def _is_number(text: str) -> bool:
    return text.lstrip("−-+±≈ ")[:1].isdigit() and not any(map(str.isalpha, text))


def _longest_word(cell: str) -> int:
    if "<code" in cell:  # names do not break
        return max(map(len, _UNSEEN.sub("", cell).split()), default=0)
    words = unescape(_UNSEEN.sub("", cell)).replace("-", "- ").split(" ")
    return max(map(len, words))


def _as_card(row: str, names: list[str]) -> str:
    """Write into each cell the name of its column; into the first, the title, if it is a number."""
    labelled, end = "", 0
    for place, (name, cell) in enumerate(zip(names, _CELL.finditer(row), strict=True)):
        needed = _is_number(_text(cell[3])) if place == 0 else _PARAGRAPH.sub("", cell[3]).strip()
        label = f'<span class="card-label">{name}</span>' if needed and name else ""
        labelled += f"{row[end : cell.start()]}{cell[1]}{label}{cell[3]}</t{cell[2]}>"
        end = cell.end()
    return labelled + row[end:]
