"""What a figure looks like: its pixels, and its colours on a dark page."""

import math
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.transforms import Bbox
from PIL import Image

DARK_WHITE = 0.93
"""What white becomes, 1 being black: ``invert(0.93) hue-rotate(180deg)`` in the style sheets."""

PADDING = 0.1
"""Inches around what is drawn, as Jupyter has it."""

_LUMA = np.array([0.213, 0.715, 0.072])
_NEARLY_WHITE = 0.9


def in_the_dark(rgb: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """Return colours as they are on a dark page: light for dark and dark for light, hues kept.

    It is what ``invert(0.93) hue-rotate(180deg)`` does in a browser.

    Args:
        rgb: red, green and blue, from 0 to 1.
    """
    turn = 2 * np.outer(np.ones(3), _LUMA) - np.eye(3)
    inverted = DARK_WHITE + (1 - 2 * DARK_WHITE) * rgb
    return np.clip(inverted @ turn.T, 0, 1)


def pixels_of(figure: Figure, frame: Bbox | None = None) -> UInt8[np.ndarray, "height width 4"]:
    """RGBA pixels of a figure that was laid out.

    Args:
        figure: is drawn at its own dots an inch.
        frame: what is cut out, in inches; without it, what Jupyter cuts out.
    """
    stored = BytesIO()
    figure.savefig(
        stored, format="png", dpi=figure.dpi, bbox_inches=frame or frame_of(figure),
        facecolor=figure.get_facecolor(),
    )  # fmt: skip
    with Image.open(stored) as image:
        return np.asarray(image.convert("RGBA"))


def frame_of(figure: Figure) -> Bbox:
    """What Jupyter cuts out of a figure that was laid out, in inches."""
    return figure.get_tightbbox().padded(PADDING)


def canvas_of(figure: Figure) -> Bbox:
    """The whole of a figure, in inches: what a film shows, whose frames are of one size."""
    return Bbox.from_bounds(0, 0, *figure.get_size_inches())


def as_png(pixels: UInt8[np.ndarray, "height width 4"]) -> bytes:
    """Return pixels as a file."""
    target = BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def has_pictures(figure: Figure) -> bool:
    """Whether a figure shows what has to stay as it is on a dark page."""
    return any(stays(a) for ax in figure.axes if ax.get_visible() for a in pictures_in(ax))


def stays(picture: AxesImage | QuadMesh) -> bool:
    """Whether a picture keeps its colours on a dark page, as a digit does.

    Numbers that are drawn in colours on white, for none or for the middle, are ink: as a picture
    they would be a bright slab there.
    """
    values = picture.get_array()
    in_colours = isinstance(picture, QuadMesh) or (values is not None and values.ndim == 2)
    if not in_colours:
        return True
    low, middle = picture.get_cmap()([0.0, 0.5])[:, :3] @ _LUMA
    return bool(max(low, middle) < _NEARLY_WHITE)


def darkened(
    figure: Figure, pixels: UInt8[np.ndarray, "height width 4"], frame: Bbox | None = None
) -> UInt8[np.ndarray, "height width 4"]:
    """Turn a figure's colours, but not those of its pictures, which stand on white where thin.

    Args:
        figure: as it was when the pixels were drawn.
        pixels: see ``pixels_of``.
        frame: the one that they were cut out by.
    """
    dark = pixels.copy()
    colours, where = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_inverse=True)
    turned = np.round(255 * in_the_dark(colours / 255)).astype(np.uint8)
    dark[..., :3] = turned[where.reshape(pixels.shape[:2])]
    for box in _picture_boxes(figure, frame or frame_of(figure)):
        kept = pixels[box].astype(float)
        seen = kept[..., 3:] > 0
        opacity = kept[..., 3:] / 255
        on_white = kept[..., :3] * opacity + 255 * (1 - opacity)
        dark[box][..., :3] = np.where(seen, on_white.round(), kept[..., :3]).astype(np.uint8)
        dark[box][..., 3:] = np.where(seen, 255, 0).astype(np.uint8)
    return dark


def pictures_in(ax: Axes) -> list[AxesImage | QuadMesh]:
    """Images and colour bars; not clouds, whose every point has an opacity of its own."""
    shown = [
        a for a in ax.get_children() if isinstance(a, AxesImage | QuadMesh) and a.get_visible()
    ]
    return [a for a in shown if not isinstance(a.get_alpha(), np.ndarray)]


def _picture_boxes(figure: Figure, frame: Bbox) -> list[tuple[slice, slice]]:
    """Rows and columns of pixels that a figure's pictures fill; the lines around them are ink."""
    height = round(frame.height * figure.dpi)
    boxes = []
    for ax in (ax for ax in figure.axes if ax.get_visible()):
        inset = {side: _ink_inside(ax, side) for side in ("left", "right", "top", "bottom")}
        for picture in filter(stays, pictures_in(ax)):
            box = Bbox.intersection(picture.get_window_extent(), ax.bbox)
            if box is None:
                continue
            left, right = (round(x - frame.x0 * figure.dpi) for x in (box.x0, box.x1))
            top, bottom = (height - round(y - frame.y0 * figure.dpi) for y in (box.y1, box.y0))
            rows = slice(max(0, top + inset["top"]), max(0, bottom - inset["bottom"]))
            columns = slice(max(0, left + inset["left"]), max(0, right - inset["right"]))
            boxes.append((rows, columns))
    return boxes


def _ink_inside(ax: Axes, side: str) -> int:
    """Pixels that the line along a side of axes reaches into them."""
    spine = ax.spines.get(side, None)
    if not ax.axison or spine is None or not spine.get_visible():
        return 0
    return math.ceil(spine.get_linewidth() * ax.figure.dpi / 72 / 2)
