"""IPython's configuration of a kernel that runs a page for the book: figures in all their forms.

``execute_pages.py`` copies it into a profile. Beside its PNG a figure's output then holds what
``aigc_tutorial.viz.variants`` draws, and ``aigc_book.figures`` puts it on the page. A film is a
widget; an environment variable has it draw the forms of its frames.
"""

import base64
import os
from typing import Any

MIME = "application/vnd.aigc-tutorial.figure+json"


def draw_variants(figure: Any) -> dict[str, dict[str, str]]:
    """Return a figure's further forms as IPython wants them."""
    from aigc_tutorial.viz.variants import figure_variants

    forms = figure_variants(figure)
    return {MIME: {name: base64.b64encode(png).decode("ascii") for name, png in forms.items()}}


os.environ["AIGC_TUTORIAL_ALL_FORMS"] = "1"
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - IPython's own
c.MimeBundleFormatter.deferred_printers = {("matplotlib.figure", "Figure"): draw_variants}
