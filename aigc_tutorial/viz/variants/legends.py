"""Legends that a narrow figure has no room for: in one column, and below their axes."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox, BboxBase, IdentityTransform, ScaledTranslation

from aigc_tutorial.viz.variants.grid import Restore


def straighten_legends(figure: Figure, restore: Restore) -> None:
    """Write a legend that is wider than its axes in one column."""
    for ax, legend in legends_in(figure):
        # Axes that had no room beside the legend keep the width that they had on the page.
        if legend.get_window_extent().width <= min(ax.bbox.width, figure.bbox.width):
            continue
        # set_ncols changes no legend that was made; its columns are boxes, and these can be filled.
        columns = vars(legend)["_legend_handle_box"].get_children()
        first, *others = columns
        names = first.get_children()
        restore.callback(names.__setitem__, slice(None), [*names])
        restore.callback(columns.__setitem__, slice(None), [*columns])
        names.extend(name for column in others for name in column.get_children())
        columns[:] = [first]
        _break_names(legend, figure.bbox.width - ax.bbox.x0, restore)


def _break_names(legend: Legend, room: float, restore: Restore) -> None:
    """Break the names in a legend that is wider than there is room, in pixels."""
    names = legend.get_texts()
    excess = legend.get_window_extent().width - room
    widest = max(text.get_window_extent().width for text in names)
    if not 0 < excess < widest:
        return
    n_letters = int(max(len(text.get_text()) for text in names) * (1 - excess / widest))
    for text in names:
        restore.callback(text.set_text, text.get_text())
        text.set_text(textwrap.fill(text.get_text(), n_letters, break_long_words=False))


def clear_legends(figure: Figure, restore: Restore) -> None:
    """Move a legend below its axes if it lies on what is drawn, or takes the room beside them.

    The figure becomes higher by it.
    """
    width, height = figure.get_size_inches()
    restore.callback(figure.set_size_inches, width, height)
    for ax, legend in legends_in(figure):
        beside = legend.get_window_extent().x0 >= ax.bbox.x1
        if beside or lies_on_what_is_drawn(legend, ax):
            put_below(ax, legend, restore)
            height += legend.get_window_extent().height / figure.dpi
    figure.set_size_inches(width, height)


def put_below(ax: Axes, legend: Legend, restore: Restore) -> None:
    """Move a legend below its axes and what is written there."""
    restore.callback(legend.set_loc, vars(legend)["_loc_real"])
    restore.callback(_anchor, legend, vars(legend)["_bbox_to_anchor"])
    labels = ax.xaxis.get_tightbbox()
    dpi = ax.figure.dpi
    depth = 0.0 if labels is None else (ax.bbox.y0 - labels.y0) / dpi
    below = ScaledTranslation(0, -depth, ax.figure.dpi_scale_trans)
    legend.set_loc("upper left")
    legend.set_bbox_to_anchor((0, 0), transform=ax.transAxes + below)


def are_below(figure: Figure) -> list[bool]:
    """Whether each legend stands below its axes, in what was laid out."""
    return [
        bool(legend.get_window_extent().y1 <= ax.bbox.y0 + 1) for ax, legend in legends_in(figure)
    ]


def _anchor(legend: Legend, box: BboxBase | None) -> None:
    """Tie a legend to a box in pixels, or to its axes."""
    legend.set_bbox_to_anchor(box, transform=IdentityTransform())


def legends_in(figure: Figure) -> list[tuple[Axes, Legend]]:
    """The axes that have a legend, with it."""
    return [(ax, legend) for ax in figure.axes if (legend := ax.get_legend()) is not None]


def lies_on_what_is_drawn(legend: Legend, ax: Axes) -> bool:
    """Whether lines, markers or bars of the axes run through a legend, in what was laid out."""
    box = Bbox.intersection(legend.get_window_extent(), ax.bbox)
    if box is None:
        return False
    for line in ax.lines:
        path = line.get_path().transformed(line.get_transform())
        if line.get_linestyle() != "None" and path.intersects_bbox(box, filled=False):
            return True
        if line.get_marker() not in ("None", "") and box.count_contains(path.vertices):
            return True
    return any(
        bar.get_path().transformed(bar.get_transform()).intersects_bbox(box) for bar in ax.patches
    )
