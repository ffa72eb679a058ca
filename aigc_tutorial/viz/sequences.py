"""Figures of sequence models: likelihood over training, and who looks at whom."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from aigc_tutorial.viz.curves import running_mean
from aigc_tutorial.viz.style import INK, LINE_STYLES, PALETTE, new_axes, style


def nll_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    window: int = 1,
    title: str = "Negative log-likelihood",
    unit: str = "nats per token",
    ax: Axes | None = None,
) -> Axes:
    """Show negative log-likelihoods over the number of tokens seen, or over anything counted so.

    Args:
        curves: from a name to tokens seen and the likelihood then, as a training history and its
            validation hold them: ``(history["n_tokens"], history["loss"])``.
        window: length of a running mean for curves with more than ten times as many points.
        title: text above the figure.
        unit: of the vertical axis.
        ax: axes to draw into; by default those of a new figure.
    """
    if not curves:
        raise ValueError("there is no curve to draw")
    with style():
        ax = new_axes(6.5, 2.8) if ax is None else ax
        for i, (name, (seen, nll)) in enumerate(curves.items()):
            colour, dashes = PALETTE[i % len(PALETTE)], LINE_STYLES[i % len(LINE_STYLES)]
            many = len(nll) > 10 * window > 10
            if many:
                ax.plot(seen, nll, color=colour, linestyle="-", linewidth=0.5, alpha=0.3)
            ax.plot(
                seen,
                running_mean(nll, window) if many else nll,
                color=colour,
                linestyle=dashes,
                marker="" if len(nll) > 40 else "o",
                markersize=3,
                label=name,
            )
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e3:g}k"))
        ax.set_xlabel("training tokens seen")
        ax.set_ylabel(unit)
        ax.set_title(title)
        ax.legend()
    return ax


def token_maps(
    maps: Mapping[str, Float[Tensor, "T S"]],
    labels: Sequence[str],
    *,
    column_labels: Sequence[str] | None = None,
    n_columns: int = 4,
    size: float = 1.75,
    largest: float | None = None,
    rows: str = "token",
    columns: str = "looks at",
) -> Figure:
    """Show matrices of tokens by tokens side by side: attention, or which token acts on which.

    Args:
        maps: from a title to a matrix; row t belongs to token t.
        labels: names of the tokens, written along the axes if there are 24 or fewer.
        column_labels: names of the tokens of the columns, where they are others than the rows'.
        n_columns: matrices in a row.
        size: inches of a matrix, from left to right.
        largest: value of the darkest colour; by default each matrix has its own.
        rows: what a row is.
        columns: what a column is.
    """
    if not maps:
        raise ValueError("there is no map to draw")
    n_columns = min(n_columns, len(maps))
    n_rows = -(-len(maps) // n_columns)
    across = labels if column_labels is None else column_labels
    height = size * len(labels) / len(across)
    with style():
        figure, grid = plt.subplots(
            n_rows,
            n_columns,
            figsize=(size * n_columns + 0.4, (height + 0.3) * n_rows + 0.2),
            squeeze=False,
        )
        for ax in grid.flat[len(maps) :]:
            ax.axis("off")
        for i, (ax, (title, matrix)) in enumerate(zip(grid.flat, maps.items(), strict=False)):
            ax.imshow(matrix.detach().cpu(), cmap="Blues", vmin=0, vmax=largest)
            ax.set_title(title, fontsize=9)
            ax.spines[:].set_visible(True)
            for set_ticks, names in ((ax.set_xticks, across), (ax.set_yticks, labels)):
                shown = list(names) if len(names) <= 24 else []
                set_ticks(range(len(shown)), shown, fontsize=6, family="monospace")
            ax.tick_params(length=0, colors=INK)
            if i >= len(maps) - n_columns:
                ax.set_xlabel(columns)
            if i % n_columns == 0:
                ax.set_ylabel(rows)
    return figure


def attention_maps(
    maps: Float[Tensor, "L N T T"], labels: Sequence[str], *, size: float = 1.75
) -> Figure:
    """Show how much each token takes from each, for all heads: a row of pictures is a layer.

    Args:
        maps: as ``Transformer.attention_maps`` gives them, of one sequence.
        labels: names of the tokens.
        size: inches of a map.
    """
    named = {
        f"layer {layer + 1}, head {head + 1}": matrix
        for layer, heads in enumerate(maps)
        for head, matrix in enumerate(heads)
    }
    return token_maps(named, labels, n_columns=maps.shape[1], size=size, largest=1.0)
