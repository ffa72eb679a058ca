"""Figures, and the interactive explorers of :mod:`aigc_tutorial.viz.widgets`."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from aigc_tutorial.environment import require

require("matplotlib", extra="book")

from aigc_tutorial.viz.audio import audio_player, note_name, piano_roll, spectrogram  # noqa: E402
from aigc_tutorial.viz.curves import (  # noqa: E402
    class_share_bars,
    comparison_bars,
    importance_bars,
    importance_text,
    loss_curves,
    probability_curves,
)
from aigc_tutorial.viz.images import (  # noqa: E402
    image_grid,
    montage,
    neighbour_pairs,
    real_beside_generated,
    snapshots_strip,
)
from aigc_tutorial.viz.labels import visible  # noqa: E402
from aigc_tutorial.viz.planes import (  # noqa: E402
    density_2d,
    discriminator_field_2d,
    samples_2d,
    training_frames,
)
from aigc_tutorial.viz.sequences import attention_maps, nll_curves, token_maps  # noqa: E402
from aigc_tutorial.viz.style import save_figure  # noqa: E402
from aigc_tutorial.viz.tokens import surprise, token_labels  # noqa: E402

if TYPE_CHECKING:
    from aigc_tutorial.viz import widgets

__all__ = [
    "attention_maps",
    "audio_player",
    "class_share_bars",
    "comparison_bars",
    "density_2d",
    "discriminator_field_2d",
    "image_grid",
    "importance_bars",
    "importance_text",
    "loss_curves",
    "montage",
    "neighbour_pairs",
    "nll_curves",
    "note_name",
    "piano_roll",
    "probability_curves",
    "real_beside_generated",
    "samples_2d",
    "save_figure",
    "snapshots_strip",
    "spectrogram",
    "surprise",
    "token_labels",
    "token_maps",
    "training_frames",
    "visible",
    "widgets",
]


def __getattr__(name: str) -> ModuleType:
    """Load the explorers when they are first used: they need ipywidgets as well."""
    if name == "widgets":
        return importlib.import_module(f"{__name__}.widgets")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
