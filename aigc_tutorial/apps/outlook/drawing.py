"""Levels as pictures."""

from collections.abc import Sequence

from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from aigc_tutorial.apps.outlook.levels import DOOR, FLOOR, GOAL, KEY, START, WALL, Cell, as_level
from aigc_tutorial.integers import as_count
from aigc_tutorial.viz.style import BLUE, GREEN, INK, PURPLE, VERMILLION, new_axes, style

_LETTERS = {START: ("S", BLUE), KEY: ("K", VERMILLION), DOOR: ("D", PURPLE), GOAL: ("G", GREEN)}


def draw_level(
    level: Int64[Tensor, "H W"],
    *,
    path: Sequence[Cell] = (),
    n_tiles: int | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a level: walls filled, the four special tiles as letters, a way as a line.

    Args:
        level: its tiles.
        path: cells of a way through it, drawn as a line that moves aside where it comes back.
        n_tiles: draw only so many tiles, row by row: those that are written so far. The others are
            empty squares.
        title: text above it.
        ax: axes to draw into; by default those of a new figure.

    Raises:
        ValueError: if the level is no grid of tiles, or the path leaves it.
    """
    grid = as_level(level)
    height, width = grid.shape
    if not all(0 <= i < height and 0 <= j < width for i, j in path):
        raise ValueError(f"the path leaves the level of {height} by {width} tiles")
    n_drawn = grid.numel() if n_tiles is None else as_count(n_tiles, "n_tiles", at_least=0)
    with style():
        ax = new_axes(0.3 * width + 0.2, 0.3 * height + 0.4) if ax is None else ax
        for number, tile in enumerate(grid.flatten().tolist()):
            i, j = divmod(number, width)
            if number >= n_drawn:
                ax.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor=INK, lw=0.3, alpha=0.4))
            elif tile == WALL:
                ax.add_patch(Rectangle((j, i), 1, 1, facecolor=INK, edgecolor="white", lw=0.4))
            elif tile == FLOOR:
                ax.plot(j + 0.5, i + 0.5, ".", color=INK, markersize=2)
            elif tile in _LETTERS:
                letter, colour = _LETTERS[tile]
                ax.add_patch(Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="white", lw=0.4))
                ax.text(j + 0.5, i + 0.53, letter, color="white", ha="center", va="center",
                        weight="bold", fontsize=9)  # fmt: skip
        if path:
            aside = [0.5 + 0.18 * k / max(1, len(path) - 1) - 0.09 for k in range(len(path))]
            ax.plot(
                [j + shift for (_, j), shift in zip(path, aside, strict=True)],
                [i + shift for (i, _), shift in zip(path, aside, strict=True)],
                color=VERMILLION, linewidth=1.6, solid_capstyle="round",
            )  # fmt: skip
        ax.set_xlim(-0.05, width + 0.05)
        ax.set_ylim(height + 0.05, -0.05)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(title, fontsize=8.5)
    return ax
