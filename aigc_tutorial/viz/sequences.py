"""Figures of sequence models: likelihood over training, and who looks at whom."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from aigc_tutorial.viz.curves import running_mean
from aigc_tutorial.viz.labels import families, written
from aigc_tutorial.viz.numbers import Numbers, as_numbers
from aigc_tutorial.viz.style import INK, LOOKS, new_axes, style


def nll_curves(
    curves: Mapping[str, tuple[Numbers, Numbers]],
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
        for i, (name, (steps, values)) in enumerate(curves.items()):
            seen, nll = (
                as_numbers(steps, name, finite=False),
                as_numbers(values, name, finite=False),
            )
            if len(seen) != len(nll):
                raise ValueError(f"{name} has {len(nll)} values at {len(seen)} numbers of tokens")
            colour, dashes = LOOKS[i % len(LOOKS)]
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
                label=written(name),
            )
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e3:g}k"))
        ax.set_xlabel("training tokens seen")
        ax.set_ylabel(written(unit), parse_math=False)
        ax.set_title(written(title), parse_math=False)
        for label in ax.legend().get_texts():
            label.set_parse_math(False)
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

    Raises:
        ValueError: if there is no map, one does not fit the labels or holds a number below 0, which
            would look like 0, or one that is not finite.
    """
    if not maps:
        raise ValueError("there is no map to draw")
    n_columns = min(n_columns, len(maps))
    n_rows = -(-len(maps) // n_columns)
    across = labels if column_labels is None else column_labels
    drawn = {}
    for title, matrix in maps.items():
        if matrix.shape != (len(labels), len(across)):
            raise ValueError(
                f"the map {title!r} has shape {tuple(matrix.shape)}, the labels are "
                f"{len(labels)} by {len(across)}"
            )
        drawn[title] = as_numbers(matrix, title or "the map")
        if (least := drawn[title].min()) < 0:
            raise ValueError(
                f"the map {title!r} holds numbers down to {least:.3g}, and colours begin at 0; "
                "draw both parts of a difference: matrix.clamp(min=0) and (-matrix).clamp(min=0)"
            )
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
        for i, (ax, title) in enumerate(zip(grid.flat, maps, strict=False)):
            ax.imshow(drawn[title], cmap="Blues", vmin=0, vmax=largest)
            ax.set_title(written(title), fontsize=9, parse_math=False)
            ax.spines[:].set_visible(True)
            _name_ticks(ax.xaxis, across if len(across) <= 24 else [])
            _name_ticks(ax.yaxis, labels if len(labels) <= 24 else [])
            ax.tick_params(length=0, colors=INK)
            if i >= len(maps) - n_columns:
                ax.set_xlabel(written(columns), parse_math=False)
            if i % n_columns == 0:
                ax.set_ylabel(written(rows), parse_math=False)
    return figure


def _name_ticks(axis: Axis, names: Sequence[str]) -> None:
    """Write the names of tokens along an axis; upright where side by side they would touch."""
    shown = [written(name, "monospace") for name in names]
    upright = isinstance(axis, XAxis) and max(map(len, shown), default=0) > 3
    axis.set_ticks(
        range(len(shown)), shown, fontsize=6, family=families("monospace"), parse_math=False,
        rotation=90 if upright else 0,
    )  # fmt: skip


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
