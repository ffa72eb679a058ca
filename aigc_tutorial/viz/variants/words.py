"""The words of a figure: as large as a phone needs them, and broken where they are long."""

import textwrap
from collections.abc import Callable
from typing import Any, Literal

from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter

from aigc_tutorial.viz.variants.grid import Restore, placed

SMALLEST = 9.0
"""Points of the smallest text on a phone."""

NAMES_AT_MOST = 0.38
"""Of a phone's width, what names along a vertical axis may take before they are broken."""

_OF_NAMES = (FixedFormatter, FuncFormatter, StrCategoryFormatter)
_TICKS: tuple[Literal["major", "minor"], ...] = ("major", "minor")


def texts_in(figure: Figure) -> list[Text]:
    """All text that is seen."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def enlarge_text(figure: Figure, restore: Restore) -> None:
    """Bring small text to a size that can be read."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for which in _TICKS:
                labels = axis.get_ticklabels(which=which)
                size = float(labels[0].get_fontsize()) if labels else SMALLEST
                if size < SMALLEST:
                    restore.callback(axis.set_tick_params, which=which, labelsize=size)
                    axis.set_tick_params(which=which, labelsize=SMALLEST)
    for text in texts_in(figure):
        size = float(text.get_fontsize())
        if size < SMALLEST:
            restore.callback(text.set_fontsize, size)
            text.set_fontsize(SMALLEST)


def wrap_titles(figure: Figure, restore: Restore) -> list[tuple[Text, str]]:
    """Break titles and names of axes that are longer than there is room.

    Returns:
        What was broken, with its words as they were.
    """
    whole = figure.bbox.width
    broken = [(text, _wrap(text, whole, _width, restore)) for text in figure.texts]
    for ax in figure.axes:
        # Its place in the grid, not what is left of it where its sides have to be equal.
        slot = ax.get_position(original=True)
        room = slot.width * whole if len(placed(figure)) > 1 else whole - ax.bbox.x0
        titles = [a for a in ax.get_children() if isinstance(a, Text) and a not in ax.texts]
        for title in (*titles, ax.xaxis.label):
            broken.append((title, _wrap(title, room, _width, restore)))
        broken.append((ax.yaxis.label, _wrap(ax.yaxis.label, ax.bbox.height, _height, restore)))
    return [(text, words) for text, words in broken if words is not None]


def wrap_tick_labels(figure: Figure, restore: Restore) -> None:
    """Break names along a vertical axis that leave too little of the width to what is drawn.

    The figure becomes higher where their lines need it.
    """
    width, height = figure.get_size_inches()
    restore.callback(figure.set_size_inches, width, height)
    room = NAMES_AT_MOST * figure.bbox.width
    for ax in figure.axes:
        names = [text for text in ax.get_yticklabels() if text.get_text().strip()]
        formatter = ax.yaxis.get_major_formatter()
        longest = max(map(_width, names), default=0)
        if not isinstance(formatter, _OF_NAMES) or longest <= room or not ax.axison:
            continue
        n_letters = int(max(len(text.get_text()) for text in names) * room / longest)
        restore.callback(ax.yaxis.set_major_formatter, formatter)
        ax.yaxis.set_major_formatter(FuncFormatter(_broken(formatter, n_letters)))
        names = [text for text in ax.get_yticklabels() if text.get_text().strip()]
        lines = max(map(_height, names)) * len(names)
        height *= max(1, 1.1 * lines / ax.bbox.height)
    figure.set_size_inches(width, height)


def _broken(formatter: Formatter, n_letters: int) -> Callable[[Any, int | None], str]:
    """Return what writes a tick's label in lines of so many letters; formulas are not broken."""

    def write(value: Any, place: int | None) -> str:
        words = formatter(value, place)
        if "$" in words:
            return words
        return textwrap.fill(words, n_letters, break_long_words=False)

    return write


def _width(text: Text) -> float:
    return float(text.get_window_extent().width)


def _height(text: Text) -> float:
    return float(text.get_window_extent().height)


def _wrap(text: Text, room: float, size: Callable[[Text], float], restore: Restore) -> str | None:
    """Break a text into as few lines as fit the room, in pixels; formulas are not broken.

    Returns:
        Its words as they were, where it was broken.
    """
    words = text.get_text()
    if not words.strip() or size(text) <= room or ("$" in words and text.get_parse_math()):
        return None
    restore.callback(text.set_text, words)
    for n_lines in (2, 3, 4):
        width = max(max(map(len, words.split())), -(-len(words) // n_lines) + 3)
        text.set_text("\n".join(textwrap.wrap(words.replace("\n", " "), width)))
        if size(text) <= room:
            break
    return words
