"""How results are shown: as Markdown or HTML in a notebook, as plain text in a terminal."""

import math
import re
import textwrap
from dataclasses import dataclass

_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*m")


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


def format_number(value: float) -> str:
    """Three significant digits without an exponent for usual sizes.

    >>> format_number(52.123), format_number(0.01234), format_number(12345.6)
    ('52.1', '0.0123', '12,346')
    """
    if math.isfinite(value) and abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def literal(text: str) -> str:
    r"""Escape what Markdown would read as markup.

    >>> print(literal("loss_fake * 2"))
    loss\_fake \* 2
    """
    return re.sub(r"([\\`*_<>\[\]#$|~&])", r"\\\1", text)


def shorten(message: str, length: int = 220) -> str:
    """First lines of a message, cut at a word, without a terminal's codes for bold and colour."""
    return textwrap.shorten(_TERMINAL_CODE.sub("", message), length, placeholder=" …")
