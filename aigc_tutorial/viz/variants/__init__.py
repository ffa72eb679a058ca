"""A figure's other forms in the built book: for a phone, and for a dark page.

On a phone a figure of seven inches is shrunk to half its size, and its text cannot be read. So it
is laid out again at ``PHONE_WIDTH``: letters as large as before, a grid of axes in fewer columns.
On a dark page the book turns dark ink on nothing into light ink, by a filter that needs no second
file. Pictures have to stay as they are: a figure that holds some has dark forms of its own.

The build asks for these forms while it runs the pages; in Jupyter there is one figure.
"""

from contextlib import suppress

from matplotlib.figure import Figure

from aigc_tutorial.viz.variants.drawing import (
    PADDING,
    as_png,
    darkened,
    frame_of,
    has_pictures,
    in_the_dark,
    pixels_of,
)
from aigc_tutorial.viz.variants.grid import PHONE_WIDTH, column_counts
from aigc_tutorial.viz.variants.layout import (
    NoRoomError,
    can_be_read,
    collapse_is_an_error,
    count_crowded,
    phone_layout,
)
from aigc_tutorial.viz.variants.words import SMALLEST

__all__ = [
    "PHONE_WIDTH",
    "SMALLEST",
    "NoRoomError",
    "figure_variants",
    "in_the_dark",
    "phone_layout",
]


def figure_variants(figure: Figure) -> dict[str, bytes]:
    """Draw the forms of a figure that a page needs beside the one that Jupyter shows.

    Args:
        figure: is changed for a moment, and left as it was.

    Returns:
        PNG files by name. ``phone``: where the figure is too wide for a phone and can be laid out
        again with no text over another. ``dark`` and ``phone_dark``: where it holds pictures, which
        stay as they are on a dark page.
    """
    variants = {}
    in_two_schemes = has_pictures(figure)
    figure.draw_without_rendering()
    n_crowded = count_crowded(figure)
    too_wide = frame_of(figure).width > PHONE_WIDTH + 2 * PADDING
    if in_two_schemes:
        variants["dark"] = as_png(darkened(figure, pixels_of(figure)))
    for n_columns in column_counts(figure) if too_wide else ():
        with suppress(NoRoomError), phone_layout(figure, n_columns), collapse_is_an_error():
            if can_be_read(figure, n_crowded):
                narrow = pixels_of(figure)
                variants["phone"] = as_png(narrow)
                if in_two_schemes:
                    variants["phone_dark"] = as_png(darkened(figure, narrow))
                break
    return variants
