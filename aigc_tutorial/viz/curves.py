"""Figures of numbers: losses and probabilities over training, shares, comparisons."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from aigc_tutorial.integers import as_count
from aigc_tutorial.pages.display import format_number
from aigc_tutorial.viz.labels import written
from aigc_tutorial.viz.numbers import Numbers, as_numbers
from aigc_tutorial.viz.style import BLUE, INK, LOOKS, VERMILLION, new_axes, style

Columns = Mapping[str, Numbers | Sequence[str]]
"""Columns by name: a ``training.History``, or a dictionary of lists; texts as a file has them."""


def running_mean(values: Numbers, window: int) -> list[float]:
    """Mean of the last ``window`` values, of fewer at the beginning.

    Each window is added up by itself: a value that is infinite, not a number or very large is in
    the means of its own windows and in no other.

    Raises:
        ValueError: if the window is no count, or there are no values.
    """
    window = as_count(window, "window")
    numbers = as_numbers(values, "the curve", finite=False)
    window = min(window, len(numbers))
    padded = np.concatenate([np.zeros(window - 1), numbers])
    with np.errstate(invalid="ignore", over="ignore"):  # +∞ beside -∞ has no mean: NaN, as drawn
        sums = np.lib.stride_tricks.sliding_window_view(padded, window).sum(axis=-1)
    return (sums / np.minimum(np.arange(1, len(numbers) + 1), window)).tolist()


def _image_count(value: float, _position: int) -> str:
    """12000 as ``12k``, 1500000 as ``1.5M``."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def _lines(
    history: Columns, columns: Mapping[str, str], *, window: int, title: str, ax: Axes | None
) -> Axes:
    """Draw columns over the image count, each labelled in a legend; raw values faintly behind."""
    if not isinstance(history, Mapping):
        raise TypeError(
            f"expected columns by name, got a {type(history).__name__}; a training's result has "
            "them as its .history"
        )
    for name in ("n_images", *columns):
        if name not in history:
            raise ValueError(
                f"the history has no column {name!r}; it has {', '.join(map(str, history))}"
            )
    if len(history["n_images"]) == 0:
        raise ValueError("the history is empty: nothing was recorded in training")
    # As numbers: matplotlib would put texts, as a file of columns has them, at 0, 1, 2 and so on.
    n_images = as_numbers(history["n_images"], "n_images")
    ax = new_axes(6.5, 2.8) if ax is None else ax
    for (name, label), (colour, dashes) in zip(columns.items(), LOOKS, strict=False):
        values = as_numbers(history[name], name, finite=False)
        if len(values) != len(n_images):
            raise ValueError(
                f"the column {name!r} has {len(values)} rows and n_images {len(n_images)}; give "
                "columns of one training"
            )
        if window > 1:
            ax.plot(n_images, values, color=colour, linestyle="-", linewidth=0.5, alpha=0.3)
        smooth = running_mean(values, window)
        ax.plot(n_images, smooth, color=colour, linestyle=dashes, label=label)
    ax.xaxis.set_major_formatter(FuncFormatter(_image_count))
    ax.set_xlabel("training images seen")
    ax.set_title(written(title), parse_math=False)
    return ax


def loss_curves(
    history: Columns,
    *,
    window: int = 1,
    title: str = "Losses",
    ax: Axes | None = None,
) -> Axes:
    """Show ``loss_discriminator`` and ``loss_generator`` over the number of images seen.

    Args:
        history: columns ``n_images``, ``loss_discriminator`` and ``loss_generator``.
        window: length of a running mean; with more than 1 the raw values show faintly behind.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    columns = {"loss_discriminator": "discriminator", "loss_generator": "generator"}
    with style():
        ax = _lines(history, columns, window=window, title=title, ax=ax)
        ax.set_ylabel("loss (nats)")
        ax.legend(ncols=2)
    return ax


def probability_curves(
    history: Columns,
    *,
    window: int = 1,
    title: str = "What the discriminator believes",
    ax: Axes | None = None,
) -> Axes:
    """Show mean D(x) and mean D(G(z)) over the number of images seen.

    A line at 1/2 marks a discriminator that cannot tell the two apart, which may be a weak
    discriminator as well as a good generator.

    Args:
        history: columns ``n_images``, ``probability_real`` and ``probability_fake``.
        window: length of a running mean; with more than 1 the raw values show faintly behind.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    columns = {"probability_real": "mean D(x), real", "probability_fake": "mean D(G(z)), generated"}
    with style():
        ax = _lines(history, columns, window=window, title=title, ax=ax)
        ax.axhline(0.5, color=INK, linestyle=":", linewidth=0.8)
        ax.text(
            1.005, 0.5, "cannot\ntell", va="center", fontsize=7,
            transform=ax.get_yaxis_transform(),
        )  # fmt: skip
        ax.set_ylim(0, 1.25)  # the legend stands above all that a probability can reach
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        ax.spines.left.set_bounds(0, 1)
        ax.set_ylabel("probability of being real")
        ax.legend(ncols=2, loc="upper left", borderaxespad=0)
    return ax


def class_share_bars(
    shares: Numbers,
    *,
    n_samples: int | None = None,
    names: Sequence[str] | None = None,
    title: str = "How often each digit was generated",
    ax: Axes | None = None,
) -> Axes:
    """Show the share of each class as a bar, with a line where all would be equal.

    Each bar bears its share in percent, to two digits, and one of height 0 bears none.

    Args:
        shares: fractions that sum to 1, one for each class.
        n_samples: number of samples behind the shares; each bar is then labelled with its count.
        names: names of the classes, by default 0, 1, 2, …
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    heights = (100 * as_numbers(shares, "shares")).tolist()
    if min(heights) < 0:
        raise ValueError(f"a share cannot be negative, got {min(heights) / 100:.4g}")
    if names is not None and len(names) != len(heights):
        raise ValueError(f"there are {len(names)} names for {len(heights)} shares")
    if abs(sum(heights) - 100) > 0.1:
        raise ValueError(f"shares must sum to 1, these sum to {sum(heights) / 100:.4g}")
    ticks = [str(i) for i in range(len(heights))] if names is None else list(names)
    equal = 100 / len(heights)
    with style():
        ax = new_axes(6.5, 2.6) if ax is None else ax
        ax.bar(range(len(ticks)), heights, color=BLUE, width=0.9)  # numbers fit, on a phone too
        ax.set_xticks(range(len(ticks)), map(written, ticks), parse_math=False)
        for position, height in enumerate(heights):
            if height == 0:
                continue  # no bar, and nothing to write across the line of equal shares
            label = f"{height:.1f}" if height < 9.95 else f"{height:.0f}"
            if n_samples is not None:
                label = f"{round(height / 100 * n_samples):,}"
            fits = height > 0.12 * max(heights)
            ax.text(
                position, height / 2 if fits else height + 0.01 * max(heights), label, fontsize=7,
                ha="center", va="center" if fits else "bottom", color="white" if fits else INK,
                # On its bar or on white: the line of equal shares may pass behind it.
                bbox={"facecolor": BLUE if fits else "white", "linewidth": 0, "pad": 0.2},
                zorder=3,
            )  # fmt: skip
        ax.axhline(equal, color=VERMILLION, linestyle=(0, (5, 2)), linewidth=1.2)
        ax.text(
            1.005, equal, f"{equal:.3g} %", color=VERMILLION, va="center", fontsize=8,
            transform=ax.get_yaxis_transform(),
        )  # fmt: skip
        ax.set_ylabel("share of the samples (%)")
        ax.set_title(written(title), parse_math=False)
    return ax


def importance_bars(
    shares: Mapping[str, float],
    *,
    title: str = "How much each setting decided",
    ax: Axes | None = None,
) -> Axes:
    """Show the share that each setting of a search has in how good a trial is, the largest first.

    Settings of one configuration alone are written without its name. :func:`importance_text` is
    the figure's text alternative.

    Args:
        shares: fractions by setting, as ``SearchResult.importances()`` returns them.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    names, percents = zip(*_percents(shares), strict=True)
    with style():
        ax = new_axes(6.5, 0.55 + 0.36 * len(names)) if ax is None else ax
        ax.barh(range(len(names)), percents, color=BLUE, height=0.6, alpha=0.85)
        for row, percent in enumerate(percents):
            ax.annotate(
                f"{percent:.0f}", (percent, row), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=8,
            )  # fmt: skip
        ax.set_yticks(range(len(names)), map(written, names), parse_math=False)
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.set_xlim(0, 1.12 * max(percents))
        ax.set_xlabel("share of the importance (%)")
        ax.set_title(written(title), parse_math=False)
    return ax


def importance_text(shares: Mapping[str, float]) -> str:
    """What :func:`importance_bars` shows, for readers who do not see it.

    >>> importance_text({"training.rate": 0.8, "training.momentum": 0.2})
    'Share of the importance of each setting: rate 80 %, momentum 20 %'

    Args:
        shares: fractions by setting.
    """
    told = ", ".join(f"{name} {percent:.0f} %" for name, percent in _percents(shares))
    return f"Share of the importance of each setting: {told}"


def _percents(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """Names without what all begin with, and shares in percent, the largest first."""
    if not shares:
        raise ValueError("there is nothing to show: shares is empty")
    percents = {name: 100 * float(as_numbers([x], name)[0]) for name, x in shares.items()}
    if min(percents.values()) < 0 or max(percents.values()) == 0:
        raise ValueError(f"shares must be at least 0, and one above it, got {dict(shares)}")
    parts = {name.rpartition(".")[0] for name in percents}
    start = len(parts.pop()) + 1 if len(parts) == 1 and "" not in parts else 0
    ordered = sorted(percents.items(), key=lambda item: -item[1])
    return [(name[start:], percent) for name, percent in ordered]


def comparison_bars(
    values: Mapping[str, float | Numbers],
    *,
    what: str,
    log: bool = False,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Compare one measurement of several things: a bar for the mean, a dot for every seed.

    Args:
        values: from a name to its value, or to its values over several seeds.
        what: the measurement with its unit, written along the axis.
        log: use a logarithmic axis, drawn as dots alone since such an axis has no zero.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    if not values:
        raise ValueError("there is nothing to compare: values is empty")
    runs = {
        name: as_numbers(value if np.ndim(value) else [value], str(name)).tolist()
        for name, value in values.items()
    }
    if log and min(map(min, runs.values())) <= 0:
        raise ValueError("a logarithmic axis has no place for zero and below; leave out log=True")
    with style():
        ax = new_axes(6.5, 0.55 + 0.36 * len(runs)) if ax is None else ax
        for row, seeds in enumerate(runs.values()):
            mean = sum(seeds) / len(seeds)
            if not log:
                ax.barh(row, mean, color=BLUE, height=0.6, alpha=0.85)
            ax.plot(seeds, [row] * len(seeds), "o", color=VERMILLION, markersize=4)
            ax.annotate(
                format_number(mean), (max(seeds), row), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=8,
            )  # fmt: skip
        ax.set_yticks(range(len(runs)), map(written, runs), parse_math=False)
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        if log:
            ax.set_xscale("log")
        ax.margins(x=0.12)
        ax.set_xlabel(written(what), parse_math=False)
        if title:
            ax.set_title(written(title), parse_math=False)
    return ax
