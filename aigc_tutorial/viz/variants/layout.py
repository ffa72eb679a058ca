"""A figure laid out for a phone, and whether it can be read there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from warnings import catch_warnings, filterwarnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from aigc_tutorial.viz.variants.drawing import PADDING, frame_of
from aigc_tutorial.viz.variants.grid import (
    PHONE_WIDTH,
    are_rows_of_images,
    grid_of,
    is_bar,
    place_of,
    placed,
    restack,
)
from aigc_tutorial.viz.variants.legends import clear_legends, straighten_legends
from aigc_tutorial.viz.variants.words import enlarge_text, texts_in, wrap_tick_labels, wrap_titles

NARROWEST_AXES = 0.75
"""Inches of a frame in which a curve can still be seen."""


class NoRoomError(ValueError):
    """A figure's text leaves nothing to its axes."""


@contextmanager
def phone_layout(figure: Figure, n_columns: int) -> Iterator[None]:
    """Lay a figure out for a phone, for the duration of a ``with`` block.

    Args:
        figure: as it was made for a page's column.
        n_columns: columns of its grid of axes.

    Raises:
        NoRoomError: If its axes have no room beside their text.
    """
    with ExitStack() as restore:
        restack(figure, n_columns, restore)
        enlarge_text(figure, restore)
        with suppress(NoRoomError):  # before long titles are wrapped
            lay_out(figure)
        wrap_tick_labels(figure, restore)
        with suppress(NoRoomError):  # what the broken names leave is the titles'
            lay_out(figure)
        broken = wrap_titles(figure, restore)
        straighten_legends(figure, restore)
        with suppress(NoRoomError):  # before a legend beside the axes is moved
            lay_out(figure)
        clear_legends(figure, restore)
        lay_out(figure)
        for text, words in broken:  # the axes may have become wider since
            text.set_text(words)
        wrap_titles(figure, restore)
        lay_out(figure)
        raise_for_pictures(figure)
        yield


def raise_for_pictures(figure: Figure) -> None:
    """Make a figure of images so high that they fill its width: titles took of their height."""
    if grid_of(figure) is None or not are_rows_of_images(figure):
        return
    for _ in range(2):
        width, height = figure.get_size_inches()
        rows: dict[int, float] = {}
        for ax in placed(figure):
            shown, slot = ax.get_window_extent(), ax.get_position(original=True)
            lacking = max(0.0, slot.width * figure.bbox.width / shown.width - 1) * shown.height
            row = place_of(ax).rowspan.start
            rows[row] = max(rows.get(row, 0.0), lacking / figure.dpi)
        figure.set_size_inches(width, height + sum(rows.values()))
        lay_out(figure)


def lay_out(figure: Figure) -> None:
    """Have a figure's axes find their places.

    Raises:
        NoRoomError: If they have no room beside their text.
    """
    with collapse_is_an_error():
        figure.draw_without_rendering()


@contextmanager
def collapse_is_an_error() -> Iterator[None]:
    """Raise what Matplotlib only warns of: axes without room."""
    with catch_warnings():
        filterwarnings("error", message=".* not applied because axes sizes collapsed")
        try:
            yield
        except UserWarning as warning:
            raise NoRoomError(*warning.args) from warning


def can_be_read(figure: Figure, n_crowded: int) -> bool:
    """Whether a layout has no more text over text than the wide one, and cuts nothing off."""
    fits = frame_of(figure).width <= PHONE_WIDTH + 2 * PADDING + 0.05
    clear = count_crowded(figure) <= n_crowded
    return bool(fits and clear and all(map(_is_wide_enough, figure.axes)))


def count_crowded(figure: Figure) -> int:
    """Pairs of texts of which one lies on the other, in a figure that was laid out."""
    hidden = _labels_not_drawn(figure)
    boxes = [text.get_window_extent() for text in texts_in(figure) if id(text) not in hidden]
    x0, y0, x1, y1 = np.array([b.extents for b in boxes if b.width > 2]).reshape(-1, 4).T
    x0, y0, x1, y1 = x0 + 1, y0 + 1, x1 - 1, y1 - 1  # to touch is not to lie on
    beside = (x1[:, None] <= x0) | (x1 <= x0[:, None])
    apart = beside | (y1[:, None] <= y0) | (y1 <= y0[:, None])
    return int(np.triu(~apart, 1).sum())


def _labels_not_drawn(figure: Figure) -> set[int]:
    """Identities of texts that are not shown: of ticks outside the axes, and of hidden axes."""
    hidden = set()
    for ax in figure.axes:
        if not ax.get_visible():
            hidden |= {id(text) for text in ax.findobj(Text)}
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not (ax.axison and low <= tick.get_loc() <= high):
                    hidden |= {id(tick.label1), id(tick.label2)}
    return hidden


def _is_wide_enough(ax: Axes) -> bool:
    """Whether axes keep room for a curve; images may be small."""
    if is_bar(ax) or not ax.axison or not ax.get_visible():
        return True
    return bool(ax.get_window_extent().width >= NARROWEST_AXES * ax.figure.dpi)
