"""A player of precomputed pictures, and the controls that all explorers are made of.

See ``aigc_tutorial.viz.widgets`` for why every picture is computed beforehand.
"""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import ipywidgets as ipw
import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from aigc_tutorial.viz.images import montage

MAX_WIDTH = 640  # CSS pixels of a montage
LABEL = {"description_width": "initial"}  # no wider than its text
DPI = 110  # of a frame: 7 inches fill the column of a page


def picture(images: Float[Tensor, "B C H W"], alt: str, *, n_columns: int | None = None) -> str:
    """HTML of one picture with its text alternative; the pixels are in the HTML itself.

    ``ipywidgets.Image`` has no place for a text alternative, an ``<img>`` in ``ipywidgets.HTML``
    does, and costs the same: both are base64 in a saved page.
    """
    pixels = montage(images, n_columns=n_columns)
    grey = images.shape[1] == 1
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("LA" if grey else "RGBA").save(
        buffer, format="PNG", optimize=True
    )
    width = pixels.shape[1]
    shown = width * max(1, min(3, MAX_WIDTH // width))
    return _img(buffer, "png", alt, shown, "image-rendering: pixelated")


def figure_picture(figure: Figure | Axes, alt: str) -> str:
    """HTML of a figure with its text alternative; the figure is closed.

    It is stored as WebP, at a third of the size of a PNG where a field of colours is drawn.
    """
    whole = figure if isinstance(figure, Figure) else figure.get_figure(root=True)
    if whole is None:
        raise ValueError("these axes belong to no figure any more")
    drawn, stored = io.BytesIO(), io.BytesIO()
    whole.savefig(drawn, format="png", dpi=DPI, facecolor="none")
    plt.close(whole)
    whole.set_layout_engine("none")  # changed and given again, it keeps its layout: no jumps
    image = Image.open(drawn)
    image.save(stored, format="WEBP", quality=85, method=2)
    # The card that the book puts behind its figures; Jupyter has none, and may be dark.
    return _img(stored, "webp", alt, image.width, "background: var(--aigc-card, #fff)")


def _img(data: io.BytesIO, kind: str, alt: str, width: int, look: str) -> str:
    text = base64.b64encode(data.getvalue()).decode("ascii")
    return (
        f'<img src="data:image/{kind};base64,{text}" alt="{html.escape(alt)}" width="{width}" '
        f'style="{look}; max-width: 100%; height: auto">'
    )


def stacked(pictures: Sequence[str]) -> ipw.Stack:
    """Pictures of which one is seen, the one that ``selected_index`` names."""
    return ipw.Stack([ipw.HTML(value) for value in pictures], selected_index=0)


def play_button(n_frames: int, milliseconds: int, *, loop: bool) -> ipw.Play:
    """A play button that does not start by itself."""
    return ipw.Play(
        min=0,
        max=n_frames - 1,
        interval=milliseconds,
        repeat=loop,
        show_repeat=False,
        tooltip="Play, or stop",
    )


def side_by_side(*controls: ipw.Widget) -> ipw.HBox:
    """Controls side by side, on a narrow screen one below the other."""
    return ipw.HBox(controls, layout=ipw.Layout(flex_flow="row wrap", align_items="center"))


def frames_player(
    frames: Iterable[Figure | Axes | Tensor],
    labels: Sequence[str],
    *,
    alt: str,
    name: str = "Frame",
    milliseconds: int = 250,
    loop: bool = False,
    start: int = 0,
) -> ipw.VBox:
    """Play figures or images as a moving picture, or step through them with a slider.

    It needs no kernel. A frame of 7 by 3.5 inches costs about 20 kB, so 40 of them are right for a
    page. Give all frames the same limits of their axes, or the picture jumps.

    >>> from aigc_tutorial.viz.style import new_axes
    >>> def parabola(a):
    ...     ax = new_axes(3, 2)
    ...     ax.plot([-1, 0, 1], [a, 0, a])
    ...     ax.set_ylim(0, 3)
    ...     return ax
    >>> steps = [1, 2, 3]
    >>> movie = frames_player(map(parabola, steps), [f"a = {a}" for a in steps], alt="a parabola")
    >>> len(movie.children[1].children)
    3

    Args:
        frames: figures (or axes, whose figure is meant), or batches of images (B, C, H, W) in
            [-1, 1], shown in rows. Each figure is closed once it is stored, so a generator that
            draws one after the other saves memory; and it may change one figure and give it again,
            which saves most of the time.
        labels: one for each frame, shown beside the slider.
        alt: what is to be seen; each frame's text alternative is this and its label.
        name: what the slider moves along, for example ``"Step"``.
        milliseconds: time that each frame is shown when played.
        loop: begin again after the last frame.
        start: frame shown first.

    Returns:
        A play button and a slider above the picture.

    Raises:
        ValueError: if there is no frame, there are not as many labels as frames, or ``start`` is
            none of them.
    """
    pictures: list[str] = []
    for frame, label in zip_longest(frames, labels):
        if frame is None or label is None:
            raise ValueError(
                f"every frame needs a label: there are {len(labels)} labels, and "
                f"{'more' if label is None else 'only ' + str(len(pictures))} frames"
            )
        text = f"{alt} ({label})"
        pictures.append(
            picture(frame, text) if isinstance(frame, Tensor) else figure_picture(frame, text)
        )
    if not 0 <= start < len(pictures):
        raise ValueError(f"start must be one of the {len(pictures)} frames, got {start}")
    slider = ipw.SelectionSlider(
        options=[(label, i) for i, label in enumerate(labels)],
        index=start,
        description=name,
        tooltip=name,
        style=LABEL,
        layout=ipw.Layout(width="26em", max_width="100%"),
    )
    shown = stacked(pictures)
    shown.selected_index = start
    play = play_button(len(pictures), milliseconds, loop=loop)
    play.value = start
    ipw.jslink((play, "value"), (slider, "index"))
    ipw.jslink((slider, "index"), (shown, "selected_index"))
    return ipw.VBox([side_by_side(play, slider), shown])
