"""How results are shown: as Markdown or HTML in a notebook, as plain text in a terminal."""

import re
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(
    r"(?<![\w.)\]])(?P<sign>[+−-]?)(?P<digits>\d[\d,]*(?:\.\d+)?|inf\b)(?:e(?P<exponent>[+-]?\d+))?"
)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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
    """Show at once, wherever in a cell this is called; without IPython, print.

    What the output cannot write, as a file on Windows does not know ✓, becomes a question mark.
    """
    display: Callable[[Any], Any]
    try:
        from IPython.display import display
    except ImportError:
        display = print
    try:
        display(what)
    except UnicodeEncodeError as error:
        print(what.plain.encode(error.encoding, "replace").decode(error.encoding))


def format_number(value: float) -> str:
    """Three significant digits; from a thousand up to a million million, all before the point.

    >>> format_number(52.123), format_number(-0.01234), format_number(12345.6)
    ('52.1', '−0.0123', '12,346')
    """
    if 999.5 <= abs(value) < 1e12:
        return typeset_number(f"{value:,.0f}")
    return typeset_number(f"{value:.3g}")


def typeset_number(text: str) -> str:
    """A number that Python wrote, or several of them, as print sets it.

    The minus is one, a power of ten is written as such, and a zero has no sign.

    >>> typeset_number("-0.50"), typeset_number("-0.00"), typeset_number("-7.97e-08")
    ('−0.50', '0.00', '−7.97 × 10⁻⁸')
    """
    return _NUMBER.sub(_typeset_one, text)


def _typeset_one(number: re.Match[str]) -> str:
    sign, digits, exponent = number["sign"], number["digits"], number["exponent"]
    if not re.search("[1-9i]", digits):  # the i is that of "inf"
        return digits if exponent is None else "0"
    sign = sign.replace("-", "−")
    if exponent is None or int(exponent) == 0:  # 1.5e+00 is 1.5
        return f"{sign}{digits}"
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    return f"{sign}{power}" if digits == "1" else f"{sign}{digits} × {power}"


def literal(text: str) -> str:
    r"""Escape what Markdown would read as markup.

    >>> print(literal("loss_fake * 2"))
    loss\_fake \* 2
    """
    return re.sub(r"([\\`*_<>\[\]#$|~&])", r"\\\1", text)


def without_folders(message: str) -> str:
    """Leave out of a message where temporary files lie: it is another place for every reader.

    >>> without_folders(f"no file {tempfile.gettempdir()}/tmp0x1/run/checkpoint.safetensors: why?")
    'no file …/checkpoint.safetensors: why?'
    """
    folder = re.escape(tempfile.gettempdir().rstrip("/\\"))
    return re.sub(rf"{folder}[/\\](?:[^\s/\\:'\"]+[/\\])*([^\s/\\:'\",;]+)", r"…/\1", message)


def shorten(message: str, length: int = 220) -> str:
    """First lines of a message, cut at a word, without a terminal's codes for bold and colour."""
    return textwrap.shorten(_TERMINAL_CODE.sub("", message), length, placeholder=" …")
