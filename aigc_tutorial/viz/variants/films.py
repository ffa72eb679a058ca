"""The frames of a film in a figure's other forms: one layout for all, so that nothing jumps.

The first frame is laid out for a phone as a single figure is. The others, which may be the same
figure once more or another one of the same make, keep its places.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from aigc_tutorial.viz.variants.drawing import (
    PADDING,
    canvas_of,
    darkened,
    frame_of,
    has_pictures,
    pixels_of,
)
from aigc_tutorial.viz.variants.grid import PHONE_WIDTH, Restore, column_counts, restack
from aigc_tutorial.viz.variants.layout import (
    NoRoomError,
    can_be_read,
    collapse_is_an_error,
    count_crowded,
    phone_layout,
)
from aigc_tutorial.viz.variants.legends import (
    are_below,
    legends_in,
    put_below,
    straighten_legends,
)
from aigc_tutorial.viz.variants.words import enlarge_text, wrap_tick_labels, wrap_titles


@dataclass(frozen=True)
class Places:
    """Where everything of a figure stands on a phone.

    Attributes:
        n_columns: of its grid of axes.
        size: width and height in inches.
        boxes: of its axes, in shares of the figure.
        below: whether each legend was moved below its axes.
    """

    n_columns: int
    size: tuple[float, float]
    boxes: tuple[Bbox, ...]
    below: tuple[bool, ...]


class FilmForms:
    """The further forms of one film's frames, by the names that ``figure_variants`` gives them."""

    def __init__(self) -> None:
        self._places: Places | None = None
        self._begun = False

    def for_phones(self, figure: Figure) -> dict[str, UInt8[np.ndarray, "height width 4"]]:
        """Draw ``phone``, and ``phone_dark`` where there are pictures; nothing without room.

        Args:
            figure: the next frame, before its wide form is drawn; is left as it was.
        """
        if not self._begun:
            self._begun = True
            self._places = find_places(figure)
        places = self._places
        if places is None or len(places.boxes) != len(figure.axes):
            return {}
        with kept_layout(figure, places):
            canvas = canvas_of(figure)
            narrow = pixels_of(figure, canvas)
            forms = {"phone": narrow}
            if has_pictures(figure):
                forms["phone_dark"] = darkened(figure, narrow, canvas)
        return forms

    def for_the_dark(
        self, figure: Figure, wide: UInt8[np.ndarray, "height width 4"]
    ) -> dict[str, UInt8[np.ndarray, "height width 4"]]:
        """Return ``dark`` where there are pictures.

        Args:
            figure: the frame, as it was when it was drawn.
            wide: the pixels of the whole figure.
        """
        if not has_pictures(figure):
            return {}
        dpi = figure.dpi
        try:
            figure.dpi = wide.shape[1] / figure.get_size_inches()[0]
            return {"dark": darkened(figure, wide, canvas_of(figure))}
        finally:
            figure.dpi = dpi


def find_places(figure: Figure) -> Places | None:
    """Lay a figure out for a phone; return where everything stands, or nothing without room."""
    figure.draw_without_rendering()
    n_crowded = count_crowded(figure)
    if frame_of(figure).width <= PHONE_WIDTH + 2 * PADDING:
        return None
    for n_columns in column_counts(figure):
        with suppress(NoRoomError), phone_layout(figure, n_columns), collapse_is_an_error():
            if can_be_read(figure, n_crowded):
                width, height = figure.get_size_inches()
                boxes = tuple(ax.get_position(original=True).frozen() for ax in figure.axes)
                return Places(n_columns, (width, height), boxes, tuple(are_below(figure)))
    return None


@contextmanager
def kept_layout(figure: Figure, places: Places) -> Iterator[None]:
    """Put everything of a figure into given places, for the duration of a ``with`` block."""
    with ExitStack() as restore:
        _hold_places(figure, restore)
        restack(figure, places.n_columns, restore)
        enlarge_text(figure, restore)
        wrap_tick_labels(figure, restore)
        figure.set_size_inches(places.size)
        for ax, box in zip(figure.axes, places.boxes, strict=True):
            ax.set_position(box)
        figure.draw_without_rendering()
        wrap_titles(figure, restore)
        straighten_legends(figure, restore)
        for (ax, legend), below in zip(legends_in(figure), places.below, strict=True):
            if below:
                put_below(ax, legend, restore)
        yield


def _hold_places(figure: Figure, restore: Restore) -> None:
    """Switch a figure's layout engine off; afterwards all is where it was, and the engine is on."""
    engine = figure.get_layout_engine()
    for ax in figure.axes:
        restore.callback(ax.set_in_layout, ax.get_in_layout())
        restore.callback(ax.set_position, ax.get_position(original=True).frozen())
    if engine is not None:
        restore.callback(figure.set_layout_engine, engine)
        figure.set_layout_engine("none")
