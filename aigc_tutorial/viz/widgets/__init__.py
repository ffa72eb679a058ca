"""Explorers that work in a live kernel, and still move in a static page.

A static page runs no Python, and has no widgets either: the book's build makes plain HTML of an
explorer, in which links between widgets live on. So every picture that a control can ask for is
computed beforehand and put into a stack (``frames.stacked``), and the control is linked to its
``selected_index`` in the browser. What needs Python (a button that draws new latents, a field to
type into) is hidden until the first message from a browser shows that a kernel listens: a static
page never shows a control that does nothing.

All controls work with the keyboard: Tab reaches them, the arrow keys move sliders, Space presses
buttons. There is no menu: JupyterLab takes the arrow keys from it.
"""

from aigc_tutorial.environment import require

require("ipywidgets", extra="book")

from aigc_tutorial.viz.widgets.frames import frames_player, picture  # noqa: E402
from aigc_tutorial.viz.widgets.latents import (  # noqa: E402
    interpolate,
    latent_walk,
    training_slider,
)
from aigc_tutorial.viz.widgets.text import (  # noqa: E402
    attention_explorer,
    next_token_explorer,
    sampling_explorer,
)

__all__ = [
    "attention_explorer",
    "frames_player",
    "interpolate",
    "latent_walk",
    "next_token_explorer",
    "picture",
    "sampling_explorer",
    "training_slider",
]
