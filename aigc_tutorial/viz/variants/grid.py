"""The axes of a figure in fewer columns."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec

from aigc_tutorial.viz.variants.drawing import pictures_in

Restore: TypeAlias = ExitStack
"""Undoes on leaving what was done to a figure."""

PHONE_WIDTH = 3.5
"""Inches. In the 317 pixels that a phone of 360 leaves, text of 9 points is 10 pixels high."""

NARROWEST = 1.7
"""Inches that a column of axes needs; below, the grid has fewer columns."""

N_BELOW = 3
"""So many planes, whose sides have to be equal, stand one below the other: side by side they would
be less than an inch wide, and the screen's height is not used."""

_SIDES = {"x": "labelbottom", "y": "labelleft"}
"""Where an axis has its numbers, as ``tick_params`` calls it."""

_LOWEST_ROW, _HIGHEST_ROW = 1.0, 2.8  # inches of a row of axes that was moved


def column_counts(figure: Figure) -> list[int]:
    """Columns to try, most first; 0 leaves the axes as they stand."""
    grid = grid_of(figure)
    if grid is None:
        return [0]
    columns = grid.ncols
    if _is_uneven(grid):
        # With a hole in it, axes stand where they do to be looked across.
        full = columns * grid.nrows == len(placed(figure))
        return [0, 1] if columns > 1 and full else [0]
    if are_rows_of_images(figure):
        return list(dict.fromkeys([columns, -(-columns // 2)]))
    if len(placed(figure)) <= N_BELOW and all(ax.get_aspect() != "auto" for ax in placed(figure)):
        return [1]
    most = min(columns, int(PHONE_WIDTH // NARROWEST))
    return list(range(most, 0, -1))


def are_rows_of_images(figure: Figure) -> bool:
    """Whether a figure shows images alone, of which those of a column belong together."""
    return all(not ax.axison and bool(pictures_in(ax)) for ax in placed(figure))


def placed(figure: Figure) -> list[Axes]:
    """Axes that stand in a grid; colour bars do not."""
    return [ax for ax in figure.axes if ax.get_subplotspec() is not None and not is_bar(ax)]


def is_bar(ax: Axes) -> bool:
    """Whether axes are a colour bar."""
    return hasattr(ax, "_colorbar")


def grid_of(figure: Figure) -> GridSpec | None:
    """The one grid in which all axes stand, one cell each; otherwise nothing."""
    specs = [spec for ax in placed(figure) if (spec := ax.get_subplotspec()) is not None]
    grids = {id(spec.get_gridspec()) for spec in specs}
    if len(grids) != 1 or any(spec.num1 != spec.num2 for spec in specs):
        return None
    if len(specs) + sum(map(is_bar, figure.axes)) != len(figure.axes):
        return None
    grid = specs[0].get_gridspec()
    return grid if isinstance(grid, GridSpec) else None


def _is_uneven(grid: GridSpec) -> bool:
    """Whether a grid has columns, or rows, of different sizes."""
    ratios = (grid.get_width_ratios(), grid.get_height_ratios())
    return any(len(np.unique(of_one_side)) > 1 for of_one_side in ratios)


def restack(figure: Figure, n_columns: int, restore: Restore) -> None:
    """Give a figure a phone's width, and its axes a grid of so many columns, unless it is 0."""
    width, height = figure.get_size_inches()
    restore.callback(figure.set_size_inches, width, height)
    grid, axes = grid_of(figure), placed(figure)
    scaled = any(ax.get_aspect() != "auto" for ax in axes)
    if grid is None or n_columns in (0, grid.ncols):
        figure.set_size_inches(PHONE_WIDTH, height * PHONE_WIDTH / width if scaled else height)
        return
    cells = sorted(axes, key=lambda ax: place_of(ax).num1)
    images = are_rows_of_images(figure)
    n_blocks = -(-grid.ncols // n_columns)
    n_rows = grid.nrows * n_blocks if images else -(-len(cells) // n_columns)
    row = height / grid.nrows
    if scaled:
        row *= (PHONE_WIDTH / n_columns) / (width / grid.ncols)
    if images:
        picture = pictures_in(cells[0])[0].get_window_extent()
        row = PHONE_WIDTH / n_columns * picture.height / picture.width
    else:
        row = min(max(row, _LOWEST_ROW), _HIGHEST_ROW)
    figure.set_size_inches(PHONE_WIDTH, row * n_rows)
    new = GridSpec(n_rows, n_columns, figure=figure)
    first_of_row = {place_of(ax).rowspan.start: ax for ax in cells if place_of(ax).is_first_col()}
    for place, ax in enumerate(cells):
        old = place_of(ax)
        restore.callback(ax.set_subplotspec, old)
        if images:
            _put_into_block(ax, new, first_of_row, restore)
            continue
        ax.set_subplotspec(new[place])
        if place % n_columns == 0 and not old.is_first_col():
            _write_name(ax, "y", cells, restore)
        if place + n_columns >= len(cells) and not old.is_last_row():
            _write_name(ax, "x", cells, restore)


def _put_into_block(
    ax: Axes, new: GridSpec, first_of_row: Mapping[int, Axes], restore: Restore
) -> None:
    """Give an image its place where a grid is cut into blocks of columns, one below the other.

    The first of a row says again what stands beside the whole row.
    """
    old = place_of(ax)
    row, column = old.rowspan.start, old.colspan.start
    block, place = divmod(column, new.ncols)
    ax.set_subplotspec(new[block * old.get_gridspec().nrows + row, place])
    if place or not block:
        return
    for text in first_of_row[row].texts:
        x, y = text.get_position()
        if x < 0:
            again = ax.text(
                x, y, text.get_text(), size=text.get_fontsize(), color=text.get_color(),
                ha=text.get_horizontalalignment(), va=text.get_verticalalignment(),
                transform=ax.transAxes, parse_math=False,
            )  # fmt: skip
            restore.callback(again.remove)


def place_of(ax: Axes) -> SubplotSpec:
    """The cell of the grid in which axes stand."""
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError("these axes stand in no grid")
    return spec


def _write_name(ax: Axes, which: Literal["x", "y"], cells: list[Axes], restore: Restore) -> None:
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
