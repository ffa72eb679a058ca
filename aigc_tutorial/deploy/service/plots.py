"""A figure of what a service does under load."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from aigc_tutorial.viz.style import LOOKS, style

_TIMES = {
    "first_token": "time to first token (ms)",
    "inter_token": "between tokens (ms)",
    "whole": "whole request (ms)",
}


def draw_levels(levels: Sequence[Any], name: str, axes: Sequence[Axes] | None) -> Sequence[Axes]:
    """Draw throughput, and the 50 % (line) and 99 % (shade) of three times.

    Args:
        levels: of a ``Report``.
        name: of the line, for the legend; may be empty.
        axes: four of them; by default those of a new figure.
    """
    with style():
        if axes is None:
            axes = list(plt.subplots(2, 2, figsize=(7, 5))[1].flat)
        colour, dashes = LOOKS[len(axes[0].lines) % len(LOOKS)]
        look: dict[str, Any] = {"color": colour, "linestyle": dashes, "label": name}
        clients = [level.concurrency for level in levels]
        axes[0].plot(clients, [level.tokens_per_second for level in levels], **look)
        axes[0].set_ylabel("tokens / s, all clients")
        for ax, (attribute, label) in zip(axes[1:], _TIMES.items(), strict=True):
            times = [[1000 * t for t in getattr(level, attribute)] for level in levels]
            median, _, worst = zip(*times, strict=True)
            ax.plot(clients, median, **look)
            ax.fill_between(clients, median, worst, color=colour, alpha=0.15, linewidth=0)
            ax.set_ylabel(label)
            if np.isfinite(ax.dataLim.minpos).all():
                ax.set_yscale("log")
        for ax in axes:
            if not np.isfinite(ax.dataLim.minpos).all():
                continue  # texts of one token have no time between tokens
            ax.set_xscale("log", base=2)
            ax.set_xticks(clients, [str(n) for n in clients])
            ax.set_xlabel("clients at a time")
        if name:
            axes[0].legend()
    return axes
