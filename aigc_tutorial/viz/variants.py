"""A figure's other forms in the built book: for a phone, and for a dark page.

On a phone a figure of seven inches is shrunk to half its size, and its text cannot be read. So it
is laid out again at ``PHONE_WIDTH``: letters as large as before, a grid of axes in fewer columns.
On a dark page the book turns dark ink on nothing into light ink, by a filter that needs no second
file. Pictures have to stay as they are: a figure that holds some has dark forms of its own.

The build asks for these forms while it runs the pages; in Jupyter there is one figure.
"""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from typing import Literal, TypeAlias
from warnings import catch_warnings, filterwarnings

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase, IdentityTransform, ScaledTranslation
from PIL import Image

Restore: TypeAlias = ExitStack
"""Undoes on leaving what was done to a figure."""

PHONE_WIDTH = 3.5
"""Inches. In the 317 pixels that a phone of 360 leaves, text of 9 points is 10 pixels high."""

NARROWEST = 1.7
"""Inches that a column of axes needs; below, the grid has fewer columns."""

SMALLEST = 9.0
"""Points of the smallest text on a phone."""

DARK_WHITE = 0.93
"""What white becomes, 1 being black: ``invert(0.93) hue-rotate(180deg)`` in the style sheets."""

_SIDES = {"x": "labelbottom", "y": "labelleft"}
"""Where an axis has its numbers, as ``tick_params`` calls it."""

_TICKS: tuple[Literal["major", "minor"], ...] = ("major", "minor")
_PADDING = 0.1  # inches around what is drawn, as Jupyter has it
_LUMA = np.array([0.213, 0.715, 0.072])
_LOWEST_ROW, _HIGHEST_ROW = 1.0, 2.8  # inches of a row of axes that was moved


class NoRoomError(ValueError):
    """A figure's text leaves nothing to its axes."""


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
    has_pictures = any(_pictures(ax) for ax in figure.axes if ax.get_visible())
    figure.draw_without_rendering()
    n_crowded = _n_crowded(figure)
    too_wide = _frame(figure).width > PHONE_WIDTH + 2 * _PADDING
    if has_pictures:
        variants["dark"] = _png(_darkened(figure, _pixels(figure)))
    for n_columns in _column_counts(figure) if too_wide else ():
        with suppress(NoRoomError), phone_layout(figure, n_columns), _collapse_is_an_error():
            if _can_be_read(figure, n_crowded):
                narrow = _pixels(figure)
                variants["phone"] = _png(narrow)
                if has_pictures:
                    variants["phone_dark"] = _png(_darkened(figure, narrow))
                break
    return variants


def in_the_dark(rgb: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """Return colours as they are on a dark page: light for dark and dark for light, hues kept.

    It is what ``invert(0.93) hue-rotate(180deg)`` does in a browser.

    Args:
        rgb: red, green and blue, from 0 to 1.
    """
    turn = 2 * np.outer(np.ones(3), _LUMA) - np.eye(3)
    inverted = DARK_WHITE + (1 - 2 * DARK_WHITE) * rgb
    return np.clip(inverted @ turn.T, 0, 1)


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
        _restack(figure, n_columns, restore)
        _enlarge_text(figure, restore)
        with suppress(NoRoomError):  # before long titles are wrapped
            _lay_out(figure)
        _wrap_titles(figure, restore)
        _straighten_legends(figure, restore)
        with suppress(NoRoomError):  # before a legend beside the axes is moved
            _lay_out(figure)
        _clear_legends(figure, restore)
        _lay_out(figure)
        yield


def _lay_out(figure: Figure) -> None:
    with _collapse_is_an_error():
        figure.draw_without_rendering()


@contextmanager
def _collapse_is_an_error() -> Iterator[None]:
    with catch_warnings():
        filterwarnings("error", message=".* not applied because axes sizes collapsed")
        try:
            yield
        except UserWarning as warning:
            raise NoRoomError(*warning.args) from warning


# ---- Drawing ----


def _pixels(figure: Figure) -> UInt8[np.ndarray, "height width 4"]:
    """RGBA pixels of a figure that was laid out, cut and padded as Jupyter does it."""
    stored = BytesIO()
    figure.savefig(
        stored, format="png", dpi=figure.dpi, bbox_inches=_frame(figure),
        facecolor=figure.get_facecolor(),
    )  # fmt: skip
    with Image.open(stored) as image:
        return np.asarray(image.convert("RGBA"))


def _frame(figure: Figure) -> Bbox:
    """What is cut out of a figure that was laid out, in inches."""
    return figure.get_tightbbox().padded(_PADDING)


def _png(pixels: UInt8[np.ndarray, "height width 4"]) -> bytes:
    target = BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def _darkened(
    figure: Figure, pixels: UInt8[np.ndarray, "height width 4"]
) -> UInt8[np.ndarray, "height width 4"]:
    """Turn a figure's colours, but not those of its pictures, which stand on white where thin."""
    dark = pixels.copy()
    colours, where = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_inverse=True)
    turned = np.round(255 * in_the_dark(colours / 255)).astype(np.uint8)
    dark[..., :3] = turned[where.reshape(pixels.shape[:2])]
    for box in _picture_boxes(figure):
        kept = pixels[box].astype(float)
        seen = kept[..., 3:] > 0
        opacity = kept[..., 3:] / 255
        on_white = kept[..., :3] * opacity + 255 * (1 - opacity)
        dark[box][..., :3] = np.where(seen, on_white.round(), kept[..., :3]).astype(np.uint8)
        dark[box][..., 3:] = np.where(seen, 255, 0).astype(np.uint8)
    return dark


def _pictures(ax: Axes) -> list[AxesImage | QuadMesh]:
    """Images and colour bars; not clouds, whose every point has an opacity of its own."""
    shown = [
        a for a in ax.get_children() if isinstance(a, AxesImage | QuadMesh) and a.get_visible()
    ]
    return [a for a in shown if not isinstance(a.get_alpha(), np.ndarray)]


def _picture_boxes(figure: Figure) -> list[tuple[slice, slice]]:
    """Rows and columns of pixels that a figure's pictures fill; the lines around them are ink."""
    frame = _frame(figure)
    height = round(frame.height * figure.dpi)
    boxes = []
    for ax in (ax for ax in figure.axes if ax.get_visible()):
        line = max((s.get_linewidth() for s in ax.spines.values() if s.get_visible()), default=0)
        inset = round(line * figure.dpi / 72 / 2) if ax.axison and line else 0
        for picture in _pictures(ax):
            box = Bbox.intersection(picture.get_window_extent(), ax.bbox)
            if box is None:
                continue
            left, right = (round(x - frame.x0 * figure.dpi) for x in (box.x0, box.x1))
            top, bottom = (height - round(y - frame.y0 * figure.dpi) for y in (box.y1, box.y0))
            rows = slice(max(0, top + inset), max(0, bottom - inset))
            boxes.append((rows, slice(max(0, left + inset), max(0, right - inset))))
    return boxes


# ---- Layout ----


def _column_counts(figure: Figure) -> list[int]:
    """Columns to try, most first; one number where the axes have to stay as they stand."""
    grid = _grid(figure)
    if grid is None:
        return [0]
    columns = grid.ncols
    if all(not ax.axison and _pictures(ax) for ax in _placed(figure)):
        return [columns]  # rows of images: what stands side by side is compared
    most = min(columns, int(PHONE_WIDTH // NARROWEST))
    return list(range(most, 0, -1))


def _placed(figure: Figure) -> list[Axes]:
    """Axes that stand in a grid; colour bars do not."""
    return [ax for ax in figure.axes if ax.get_subplotspec() is not None and not _is_bar(ax)]


def _is_bar(ax: Axes) -> bool:
    return hasattr(ax, "_colorbar")


def _grid(figure: Figure) -> GridSpec | None:
    """The one regular grid in which all axes stand, one cell each; otherwise nothing."""
    specs = [spec for ax in _placed(figure) if (spec := ax.get_subplotspec()) is not None]
    grids = {id(spec.get_gridspec()) for spec in specs}
    if len(grids) != 1 or any(spec.num1 != spec.num2 for spec in specs):
        return None
    if len(specs) + sum(map(_is_bar, figure.axes)) != len(figure.axes):
        return None
    grid = specs[0].get_gridspec()
    uneven = any(
        len(np.unique(ratios)) > 1 for ratios in (grid.get_width_ratios(), grid.get_height_ratios())
    )
    return grid if isinstance(grid, GridSpec) and not uneven else None


def _restack(figure: Figure, n_columns: int, restore: Restore) -> None:
    """Give a figure a phone's width, and its axes a grid of so many columns."""
    width, height = figure.get_size_inches()
    restore.callback(figure.set_size_inches, width, height)
    grid, axes = _grid(figure), _placed(figure)
    scaled = any(ax.get_aspect() != "auto" for ax in axes)
    if grid is None or n_columns == grid.ncols:
        figure.set_size_inches(PHONE_WIDTH, height * PHONE_WIDTH / width if scaled else height)
        return
    cells = sorted(axes, key=lambda ax: _spec(ax).num1)
    n_rows = -(-len(cells) // n_columns)
    row = height / grid.nrows
    if scaled:
        row *= (PHONE_WIDTH / n_columns) / (width / grid.ncols)
    row = min(max(row, _LOWEST_ROW), _HIGHEST_ROW)
    figure.set_size_inches(PHONE_WIDTH, row * n_rows)
    new = GridSpec(n_rows, n_columns, figure=figure)
    for place, ax in enumerate(cells):
        old = _spec(ax)
        restore.callback(ax.set_subplotspec, old)
        ax.set_subplotspec(new[place])
        if place % n_columns == 0 and not old.is_first_col():
            _name(ax, "y", cells, restore)
        if place + n_columns >= len(cells) and not old.is_last_row():
            _name(ax, "x", cells, restore)


def _spec(ax: Axes) -> SubplotSpec:
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError("these axes stand in no grid")
    return spec


def _name(ax: Axes, which: Literal["x", "y"], cells: list[Axes], restore: Restore) -> None:
    """Write on axes that have come to an edge what their neighbour there said for them."""
    side = _SIDES[which]
    axis, shared = getattr(ax, f"{which}axis"), getattr(ax, f"get_shared_{which}_axes")()
    others = [getattr(a, f"{which}axis") for a in cells if a is not ax and shared.joined(a, ax)]
    if not others or not ax.axison:
        return
    name = next(filter(None, (other.get_label_text() for other in others)), "")
    shown = axis.get_tick_params(which="major").get(side, True)
    restore.callback(ax.tick_params, axis=which, **{side: shown})
    restore.callback(axis.set_label_text, axis.get_label_text())
    ax.tick_params(axis=which, **{side: True})
    axis.set_label_text(axis.get_label_text() or name)


# ---- Text ----


def _texts(figure: Figure) -> list[Text]:
    """All text that is seen."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def _enlarge_text(figure: Figure, restore: Restore) -> None:
    """Bring small text to a size that can be read."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for which in _TICKS:
                labels = axis.get_ticklabels(which=which)
                size = float(labels[0].get_fontsize()) if labels else SMALLEST
                if size < SMALLEST:
                    restore.callback(axis.set_tick_params, which=which, labelsize=size)
                    axis.set_tick_params(which=which, labelsize=SMALLEST)
    for text in _texts(figure):
        size = float(text.get_fontsize())
        if size < SMALLEST:
            restore.callback(text.set_fontsize, size)
            text.set_fontsize(SMALLEST)


def _wrap_titles(figure: Figure, restore: Restore) -> None:
    """Break titles and names of axes that are longer than there is room."""
    whole = figure.bbox.width
    for text in figure.texts:
        _wrap(text, whole, _width, restore)
    for ax in figure.axes:
        room = ax.bbox.width if len(_placed(figure)) > 1 else whole - ax.bbox.x0
        titles = [a for a in ax.get_children() if isinstance(a, Text) and a not in ax.texts]
        for title in (*titles, ax.xaxis.label):
            _wrap(title, room, _width, restore)
        _wrap(ax.yaxis.label, ax.bbox.height, _height, restore)


def _width(text: Text) -> float:
    return float(text.get_window_extent().width)


def _height(text: Text) -> float:
    return float(text.get_window_extent().height)


def _wrap(text: Text, room: float, size: Callable[[Text], float], restore: Restore) -> None:
    """Break a text into as few lines as fit the room, in pixels; formulas are not broken."""
    words = text.get_text()
    if not words.strip() or size(text) <= room or ("$" in words and text.get_parse_math()):
        return
    restore.callback(text.set_text, words)
    for n_lines in (2, 3, 4):
        width = max(max(map(len, words.split())), -(-len(words) // n_lines) + 3)
        text.set_text("\n".join(textwrap.wrap(words.replace("\n", " "), width)))
        if size(text) <= room:
            return


def _straighten_legends(figure: Figure, restore: Restore) -> None:
    """Write a legend that is wider than its axes in one column."""
    for ax, legend in _legends(figure):
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


def _clear_legends(figure: Figure, restore: Restore) -> None:
    """Move a legend below its axes if it lies on what is drawn, or takes the room beside them.

    The figure becomes higher by it.
    """
    width, height = figure.get_size_inches()
    restore.callback(figure.set_size_inches, width, height)
    for ax, legend in _legends(figure):
        beside = legend.get_window_extent().x0 >= ax.bbox.x1
        if not (beside or _lies_on_what_is_drawn(legend, ax)):
            continue
        restore.callback(legend.set_loc, vars(legend)["_loc_real"])
        restore.callback(_anchor, legend, vars(legend)["_bbox_to_anchor"])
        labels = ax.xaxis.get_tightbbox()
        depth = 0.0 if labels is None else (ax.bbox.y0 - labels.y0) / figure.dpi
        below = ScaledTranslation(0, -depth, figure.dpi_scale_trans)
        legend.set_loc("upper left")
        legend.set_bbox_to_anchor((0, 0), transform=ax.transAxes + below)
        height += legend.get_window_extent().height / figure.dpi
    figure.set_size_inches(width, height)


def _anchor(legend: Legend, box: BboxBase | None) -> None:
    """Tie a legend to a box in pixels, or to its axes."""
    legend.set_bbox_to_anchor(box, transform=IdentityTransform())


def _legends(figure: Figure) -> list[tuple[Axes, Legend]]:
    """The axes that have a legend, with it."""
    return [(ax, legend) for ax in figure.axes if (legend := ax.get_legend()) is not None]


def _lies_on_what_is_drawn(legend: Legend, ax: Axes) -> bool:
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


# ---- Whether it can be read ----


def _can_be_read(figure: Figure, n_crowded: int) -> bool:
    """Whether a layout has no more text over text than the wide one, and cuts nothing off."""
    return (
        _frame(figure).width <= PHONE_WIDTH + 2 * _PADDING + 0.05
        and _n_crowded(figure) <= n_crowded
        and all(map(_is_wide_enough, figure.axes))
    )


def _n_crowded(figure: Figure) -> int:
    """Pairs of texts of which one lies on the other, in a figure that was laid out."""
    hidden = _labels_not_drawn(figure)
    boxes = [text.get_window_extent() for text in _texts(figure) if id(text) not in hidden]
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
    if _is_bar(ax) or not ax.axison or not ax.get_visible():
        return True
    return bool(ax.get_window_extent().width >= 0.95 * ax.figure.dpi)
