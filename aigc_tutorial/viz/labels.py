"""Text in figures, shown as it was given: a ``$`` is a dollar, and nothing becomes an empty box.

matplotlib reads what stands between two dollars as mathematics, and draws a box for a character
that its font lacks. Labels are data here (tokens, names of runs), so every text that a caller gives
goes through :func:`written`, and is drawn with ``parse_math=False``.
"""

import unicodedata
from functools import cache
from pathlib import Path

from matplotlib import font_manager

FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Serif CJK SC",
    "Noto Serif CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "PingFang SC", "Hiragino Sans GB", "Heiti TC", "Microsoft YaHei", "SimHei", "Arial Unicode MS",
    "Noto Emoji", "Symbola",
)  # fmt: skip
"""Fonts for what the first font lacks, Chinese first, as Linux, macOS and Windows have them."""

_FILES = {
    "NotoSansCJK-Regular.ttc", "NotoSerifCJK-Regular.ttc", "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf", "wqy-zenhei.ttc", "wqy-microhei.ttc",
}  # fmt: skip

# Unicode has a picture of each control character; these have signs that are seen more often.
_VISIBLE = {
    **{chr(code): chr(0x2400 + code) for code in range(0x20)},
    "\x7f": "␡",
    " ": "␣",
    "\n": "⏎",
    "\t": "⇥",
}


def visible(text: str) -> str:
    r"""The text with signs for what is not seen: ``"a b"`` becomes ``"a␣b"``.

    What Unicode calls a control, a format (a zero-width space, a mark that turns the direction of
    all that follows), a separator or unassigned, and has no sign of its own, is named by its code.

    >>> visible("a\tb\u200b")
    'a⇥b⟨U+200B⟩'
    """
    return "".join(sign(character) for character in text)


def sign(character: str) -> str:
    """What stands for one character: itself, if it can be seen."""
    if character in _VISIBLE:
        return _VISIBLE[character]
    unseen = unicodedata.category(character)[0] in "CZ"
    return f"⟨U+{ord(character):04X}⟩" if unseen else character


@cache
def families(first: str = "sans-serif") -> list[str]:
    """Font families of a figure: the first one, then those of ``FALLBACKS`` that are installed."""
    known = {Path(font.fname) for font in font_manager.fontManager.ttflist}
    for path in map(Path, font_manager.findSystemFonts()):
        # matplotlib lists the fonts once and for all; one that was installed since is not in it.
        if path not in known and path.name in _FILES:
            font_manager.fontManager.addfont(path)
    installed = set(font_manager.get_font_names())
    return [first, *(name for name in FALLBACKS if name in installed)]


def written(text: str, family: str = "sans-serif") -> str:
    """A text as a figure can show it.

    What is not seen (control characters, marks of direction) gets a sign, a line end excepted; what
    none of the fonts has is named by its code, ``⟨U+4E2D⟩``.

    Args:
        text: any text.
        family: the first font of the figure's text.
    """
    return "".join(_drawn(character, family) for character in str(text))


def _drawn(character: str, family: str) -> str:
    if character in "\n ":
        return character
    shown = sign(character)
    if all(ord(part) in _characters(family) for part in shown):
        return shown
    return f"⟨U+{ord(character):04X}⟩"


@cache
def _characters(family: str) -> frozenset[int]:
    """Codes of all characters that the fonts of a family and its fallbacks have."""
    properties = (font_manager.FontProperties(family=[name]) for name in families(family))
    fonts = (font_manager.get_font(font_manager.findfont(each)) for each in properties)
    return frozenset(code for font in fonts for code in font.get_charmap())
