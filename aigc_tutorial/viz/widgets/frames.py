"""A player of precomputed pictures, and the parts that all explorers are made of.

See ``aigc_tutorial.viz.widgets`` for why every picture is computed beforehand. All differences
between versions of ipywidgets are settled here, and no explorer knows of them: Google Colab has
7.7.1, which has no ``Stack``.
"""

import base64
import html
import io
import os
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import ipywidgets as ipw
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from aigc_tutorial.data.checks import as_tensor
from aigc_tutorial.viz.images import Images, montage
from aigc_tutorial.viz.variants.films import FilmForms

MAX_WIDTH = 640  # CSS pixels of a montage
LABEL = {"description_width": "initial"}  # no wider than its text
DPI = 110  # of a frame: 7 inches fill the column of a page
PHONE = "(max-width: 620px)"
"""Up to this width of a page a film shows its form for phones, as the book's figures do."""

ALL_FORMS = "AIGC_TUTORIAL_ALL_FORMS"
"""The environment variable with which the book's build asks for every form of a film's frames."""

_TABS_AS_STACK = "aigc-stack"
# Class names of ipywidgets 7, in Jupyter and in Colab.
_TABS_STYLE = (
    f"<style>.jupyter-widgets.widget-tab.{_TABS_AS_STACK} > .p-TabBar {{ display: none }} "
    f".jupyter-widgets.widget-tab.{_TABS_AS_STACK} > .widget-tab-contents "
    "{ border: none; padding: 0; background: none }</style>"
)


def picture(images: Images, alt: str, *, n_columns: int | None = None) -> str:
    """HTML of one picture with its text alternative; the pixels are in the HTML itself.

    ``ipywidgets.Image`` has no place for a text alternative, an ``<img>`` in ``ipywidgets.HTML``
    does, and costs the same: both are base64 in a saved page.
    """
    images = as_tensor(images, "images")
    pixels = montage(images, n_columns=n_columns)
    grey = images.shape[1] == 1
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("LA" if grey else "RGBA").save(
        buffer, format="PNG", optimize=True
    )
    width = pixels.shape[1]
    shown = width * max(1, min(3, MAX_WIDTH // width))
    return _img(buffer, "png", alt, shown, "image-rendering: pixelated")


def figure_picture(figure: Figure | Axes, alt: str, film: FilmForms | None = None) -> str:
    """HTML of a figure with its text alternative; the figure is closed.

    It is stored as WebP, at a third of the size of a PNG where a field of colours is drawn.

    Args:
        figure: or axes, whose figure is meant.
        alt: what is to be seen.
        film: draws the frame's further forms, which stand in ``<picture>`` then: for a phone, and,
            with the classes of the book's theme, for a light and a dark page.
    """
    whole = figure if isinstance(figure, Figure) else figure.get_figure(root=True)
    if whole is None:
        raise ValueError("these axes belong to no figure any more")
    forms = {} if film is None else film.for_phones(whole)
    drawn = io.BytesIO()
    whole.savefig(drawn, format="png", dpi=DPI, facecolor="none")
    plt.close(whole)
    whole.set_layout_engine("none")  # changed and given again, it keeps its layout: no jumps
    image = Image.open(drawn)
    # The card that the book puts behind its figures; Jupyter has none, and may be dark.
    look = "background: var(--aigc-card, #fff)"
    wide = _img(_webp(image), "webp", alt, image.width, look)
    if film is None:
        return wide
    forms |= film.for_the_dark(whole, np.asarray(image.convert("RGBA")))
    if "dark" not in forms:
        return f"<picture>{_source(forms.get('phone'))}{wide}</picture>" if forms else wide
    dark = _img(_webp(Image.fromarray(forms["dark"])), "webp", alt, image.width, look)
    return (
        f'<picture class="only-light">{_source(forms.get("phone"))}{wide}</picture>'
        f'<picture class="only-dark">{_source(forms.get("phone_dark"))}{dark}</picture>'
    )


def _webp(image: Image.Image) -> io.BytesIO:
    stored = io.BytesIO()
    image.save(stored, format="WEBP", quality=85, method=2)
    return stored


def _source(pixels: UInt8[np.ndarray, "height width 4"] | None) -> str:
    """HTML of a form for phones, if there is one."""
    if pixels is None:
        return ""
    data = base64.b64encode(_webp(Image.fromarray(pixels)).getvalue()).decode("ascii")
    height, width, _ = pixels.shape
    return (
        f'<source srcset="data:image/webp;base64,{data}" media="{PHONE}" '
        f'width="{width}" height="{height}">'
    )


def _img(data: io.BytesIO, kind: str, alt: str, width: int, look: str) -> str:
    text = base64.b64encode(data.getvalue()).decode("ascii")
    return (
        f'<img src="data:image/{kind};base64,{text}" alt="{html.escape(alt)}" width="{width}" '
        f'style="{look}; max-width: 100%; height: auto">'
    )


def stacked(views: Sequence[str | ipw.Widget], *, selected: int = 0) -> "ipw.Stack | ipw.Tab":
    """Views of which one is seen, the one that ``selected_index`` names.

    It is a ``Stack`` where there is one. ipywidgets 7 has a widget that does the same in the
    browser, ``Tab``, and a row of tabs above it; :func:`column` hides that row.

    Args:
        views: HTML, or widgets.
        selected: the one seen first.
    """
    children = [ipw.HTML(view) if isinstance(view, str) else view for view in views]
    if hasattr(ipw, "Stack"):
        return ipw.Stack(children, selected_index=selected)
    tabs = ipw.Tab(children, selected_index=selected)
    tabs.add_class(_TABS_AS_STACK)
    return tabs


def column(*rows: ipw.Widget) -> ipw.VBox:
    """An explorer: rows of controls and pictures, one below the other."""
    if hasattr(ipw, "Stack"):
        return ipw.VBox(rows)
    return ipw.VBox([*rows, ipw.HTML(_TABS_STYLE)])


def control(kind: type[ipw.Widget], **settings: Any) -> ipw.Widget:
    """A widget with those of the settings that this version of ipywidgets knows.

    A slider of ipywidgets 7 has no ``tooltip``, and its ``Play`` calls ``repeat`` ``_repeat``.
    """
    known = kind.class_trait_names()
    return kind(
        **{
            name if name in known else f"_{name}": value
            for name, value in settings.items()
            if name in known or f"_{name}" in known
        }
    )


def play_button(
    n_frames: int, milliseconds: int, *, loop: bool, start: int = 0, first: int = 0
) -> ipw.Play:
    """A play button over frames ``first`` to ``n_frames - 1`` that does not start by itself."""
    return control(
        ipw.Play,
        value=start,
        min=first,
        max=n_frames - 1,
        interval=milliseconds,
        repeat=loop,
        show_repeat=False,
        tooltip="Play, or stop",
    )


def slider(
    name: str, labels: Sequence[str], *, index: int = 0, tooltip: str = "", width: str = "24em"
) -> ipw.SelectionSlider:
    """A slider over things with names; ``index`` is what to link."""
    return control(
        ipw.SelectionSlider,
        options=[(label, i) for i, label in enumerate(labels)],
        index=index,
        description=name,
        tooltip=tooltip or name,
        style=LABEL,
        layout=ipw.Layout(width=width, max_width="100%"),
    )


def number_slider(
    name: str, low: int, high: int, *, value: int, tooltip: str, width: str = "24em"
) -> ipw.IntSlider:
    """A slider over whole numbers; ``value`` is what to link."""
    return control(
        ipw.IntSlider,
        min=low,
        max=high,
        value=value,
        description=name,
        tooltip=tooltip,
        style=LABEL,
        layout=ipw.Layout(width=width, max_width="100%"),
    )


def choice(name: str, labels: Sequence[str]) -> ipw.ToggleButtons:
    """Buttons of which one is pressed; ``index`` is what to link.

    A menu would be smaller. But JupyterLab takes the arrow keys from a menu and goes to the next
    cell instead; buttons work there too, by Tab and Space.
    """
    return control(
        ipw.ToggleButtons,
        options=[(label, i) for i, label in enumerate(labels)],
        index=0,
        description=name,
        style={**LABEL, "button_width": "auto"},
        layout=ipw.Layout(max_width="100%"),
    )


def side_by_side(*controls: ipw.Widget) -> ipw.HBox:
    """Controls side by side, on a narrow screen one below the other."""
    return ipw.HBox(controls, layout=ipw.Layout(flex_flow="row wrap", align_items="center"))


def reveal(hidden: ipw.Widget, control: ipw.Widget, trait: str) -> None:
    """Show a widget once a control was moved with a kernel listening.

    Args:
        hidden: what needs Python, with ``display: none`` in its layout.
        control: whose movement shows that a kernel is there.
        trait: of the control, that moves.
    """

    def show(_change: object) -> None:
        hidden.layout.display = ""

    control.observe(show, names=trait)


def frames_player(
    frames: Iterable[Figure | Axes | Tensor],
    labels: Iterable[str],
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
        ValueError: if there is no frame, there are not as many labels as frames, ``start`` is none
            of them, or a list holds one thing several times and nothing else.
    """
    if isinstance(frames, Sequence) and len(frames) > 1 and all(f is frames[0] for f in frames):
        raise ValueError(
            f"the {len(frames)} frames are one and the same {type(frames[0]).__name__}, as it is "
            "now. What changes from frame to frame is cloned for a list, as in [x.clone() for x in "
            "stream], or given as a generator, which is drawn while it changes"
        )
    film = FilmForms() if os.environ.get(ALL_FORMS) == "1" else None
    pictures: list[str] = []
    labels = list(labels)
    for frame, label in zip_longest(frames, labels):
        if frame is None or label is None:
            raise ValueError(
                f"every frame needs a label: there are {len(labels)} labels, and "
                f"{'more' if label is None else 'only ' + str(len(pictures))} frames"
            )
        text = f"{alt} ({label})"
        pictures.append(
            picture(frame, text) if isinstance(frame, Tensor) else figure_picture(frame, text, film)
        )
    if not 0 <= start < len(pictures):
        raise ValueError(f"start must be one of the {len(pictures)} frames, got {start}")
    steps = slider(name, labels, index=start, width="26em")
    shown = stacked(pictures, selected=start)
    play = play_button(len(pictures), milliseconds, loop=loop, start=start)
    ipw.jslink((play, "value"), (steps, "index"))
    ipw.jslink((steps, "index"), (shown, "selected_index"))
    return column(side_by_side(play, steps), shown)
