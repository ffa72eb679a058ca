"""Figures, interactive explorers, and the small helpers that every page of the book uses.

Everything is imported from here; each module behind it is loaded when it is first needed, so that
``viz.expect`` works without matplotlib and ``viz.image_grid`` without ipywidgets.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc_tutorial.viz import text_widgets as text_widgets
    from aigc_tutorial.viz import widgets as widgets
    from aigc_tutorial.viz.audio import audio_player, note_name, piano_roll, spectrogram
    from aigc_tutorial.viz.book import (
        expect,
        expect_band,
        show_source,
        shows_error,
    )
    from aigc_tutorial.viz.curves import (
        class_share_bars,
        comparison_bars,
        loss_curves,
        probability_curves,
    )
    from aigc_tutorial.viz.images import (
        image_grid,
        montage,
        neighbour_pairs,
        real_beside_generated,
        snapshots_strip,
    )
    from aigc_tutorial.viz.notation import check_notation, notation_table
    from aigc_tutorial.viz.planes import density_2d, discriminator_field_2d, samples_2d
    from aigc_tutorial.viz.sequences import attention_maps, nll_curves, token_maps
    from aigc_tutorial.viz.style import save_figure
    from aigc_tutorial.viz.tables import table
    from aigc_tutorial.viz.tokens import surprise, token_labels, visible

_HOME = {
    "audio_player": "audio",
    "note_name": "audio",
    "piano_roll": "audio",
    "spectrogram": "audio",
    "expect": "book",
    "expect_band": "book",
    "show_source": "book",
    "shows_error": "book",
    "table": "tables",
    "class_share_bars": "curves",
    "comparison_bars": "curves",
    "loss_curves": "curves",
    "probability_curves": "curves",
    "image_grid": "images",
    "montage": "images",
    "neighbour_pairs": "images",
    "real_beside_generated": "images",
    "snapshots_strip": "images",
    "check_notation": "notation",
    "notation_table": "notation",
    "density_2d": "planes",
    "discriminator_field_2d": "planes",
    "samples_2d": "planes",
    "attention_maps": "sequences",
    "nll_curves": "sequences",
    "token_maps": "sequences",
    "save_figure": "style",
    "surprise": "tokens",
    "token_labels": "tokens",
    "visible": "tokens",
}
_NEEDS: dict[str, tuple[str, ...]] = {
    "book": (),
    "notation": (),
    "tables": (),
    "text_widgets": ("matplotlib", "ipywidgets"),
    "widgets": ("matplotlib", "ipywidgets"),
}

__all__ = [
    "attention_maps",
    "audio_player",
    "check_notation",
    "class_share_bars",
    "comparison_bars",
    "density_2d",
    "discriminator_field_2d",
    "expect",
    "expect_band",
    "image_grid",
    "loss_curves",
    "montage",
    "neighbour_pairs",
    "nll_curves",
    "notation_table",
    "note_name",
    "piano_roll",
    "probability_curves",
    "real_beside_generated",
    "samples_2d",
    "save_figure",
    "show_source",
    "shows_error",
    "snapshots_strip",
    "spectrogram",
    "surprise",
    "table",
    "text_widgets",
    "token_labels",
    "token_maps",
    "visible",
    "widgets",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aigc_tutorial.environment import require

    home = _HOME.get(name, name)
    for needed in _NEEDS.get(home, ("matplotlib",)):
        require(needed, extra="book")
    module = importlib.import_module(f"{__name__}.{home}")
    return getattr(module, name) if name in _HOME else module


def __dir__() -> list[str]:
    return sorted(__all__)
