"""One look for every figure: readable on light and dark pages, and by colour-blind readers.

No grey reads well on both white and near-black: the best one reaches a contrast of 4.2 with each,
below the 4.5 that the Web Content Accessibility Guidelines (2.2, criterion 1.4.3) ask of text. So
the figures have a transparent background and dark ink. On a light page they stand on the page; on
a dark page the book's theme, and Jupyter, put a light plate behind them (Jupyter learns that it
must from the colour of the tick labels).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aigc_tutorial.files import expand, replace_file
from aigc_tutorial.viz.labels import families

INK = "#222832"
"""Colour of all text, axes and ticks."""

PLATES = {"light": "#ffffff", "dark": "#ced6dd"}
"""What lies behind a figure: the page in the light scheme, the theme's plate in the dark one."""

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#B84E00", "#007A59", "#A04080"
"""The colours of :data:`PALETTE` by name."""

PALETTE = (BLUE, VERMILLION, GREEN, PURPLE)
"""The colours of Okabe and Ito, darkened until each has a contrast of 3 with both plates."""

LINE_STYLES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
"""Paired with ``PALETTE``, so that no line is told by its colour alone."""

LOOKS = tuple(
    (PALETTE[i], LINE_STYLES[(i + turn) % len(LINE_STYLES)])
    for turn in range(len(LINE_STYLES))
    for i in range(len(PALETTE))
)
"""Colour and dashes of a figure's lines; the fifth has the first one's colour, not its dashes."""

DPI = 150
"""Dots per inch of a figure's picture."""


def _luminance(colour: str) -> float:
    """Relative luminance of a colour, from 0 (black) to 1 (white)."""
    channels = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(colour)
    ]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast_ratio(foreground: str, background: str) -> float:
    """Contrast of two opaque colours, from 1 to 21 (WCAG 2.2).

    >>> round(contrast_ratio("black", "white"), 2)
    21.0
    """
    darker, lighter = sorted((_luminance(foreground), _luminance(background)))
    return (lighter + 0.05) / (darker + 0.05)


@contextmanager
def style() -> Iterator[None]:
    """The look of this package's figures, for the duration of a ``with`` block."""
    settings: dict[Any, Any] = {
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "auto",
        "figure.constrained_layout.use": True,
        "font.size": 9,
        "font.family": families(),
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.labelsize": 9,
        "legend.frameon": False,
        "text.color": INK,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler("color", [colour for colour, _ in LOOKS])
        + cycler("linestyle", [dashes for _, dashes in LOOKS]),
        "image.cmap": "gray",
    }
    with mpl.rc_context(settings):
        yield


def new_axes(width: float, height: float) -> Axes:
    """Axes alone in a new figure of ``width`` by ``height`` inches; call within ``style()``."""
    return plt.subplots(figsize=(width, height))[1]


def save_figure(figure: Figure | Axes, path: str | Path, *, background: str = "white") -> Path:
    """Write a figure for use outside the book, on an opaque background.

    Args:
        figure: a figure, or axes whose figure is meant.
        path: file to write; its suffix chooses the format (``.png``, ``.svg``, ``.pdf``).
        background: colour behind the figure; a README may be shown on a dark page.

    Returns:
        The path. The file is written under a temporary name and renamed.
    """
    path = expand(path)
    if not path.suffix:
        raise ValueError(f"the file name must end in .png, .svg or .pdf, got {str(path)!r}")
    whole = figure if isinstance(figure, Figure) else figure.get_figure(root=True)
    if whole is None:
        raise ValueError("these axes belong to no figure any more")
    with replace_file(path) as temporary:
        whole.savefig(temporary, format=path.suffix[1:], facecolor=background, bbox_inches="tight")
    return path
