"""Figures made of images: grids, pairs, and what training looked like on the way."""

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from aigc_tutorial.data.checks import Samples, as_tensor, require_no_range_from_zero
from aigc_tutorial.environment import require
from aigc_tutorial.integers import IntegersLike, as_count, as_int64
from aigc_tutorial.viz.labels import written
from aigc_tutorial.viz.style import new_axes, style

Images: TypeAlias = Samples
"""Images (B, C, H, W) with values in [-1, 1], or bytes 0 … 255: a tensor, an array, a data set."""

MAX_WIDTH = 7.0  # inches; a page's column


def montage(
    images: Images, *, n_columns: int | None = None, padding: int = 2
) -> UInt8[np.ndarray, "height width 4"]:
    """Lay images out in rows, with transparent gaps between them.

    Args:
        images: values in [-1, 1], what lies outside is clipped; or bytes 0 … 255. C is 1 (grey) or
            3 (RGB).
        n_columns: images in a row; by default as near to a square as can be.
        padding: width of the gaps in pixels.

    Returns:
        RGBA pixels, one for each pixel of the images.

    Raises:
        ValueError: if there are no images, C is neither 1 nor 3, or the values are of another type,
            not numbers, or from 0 to 1 or 255 as those of images in other ranges.
    """
    make_grid = require("torchvision.utils", extra="book").make_grid
    images = as_tensor(images, "images")
    if len(images) == 0:
        raise ValueError("there are no images to show: the batch is empty")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images need 1 (grey) or 3 (RGB) channels in their second dimension, got shape "
            f"{tuple(images.shape)}"
        )
    if images.isnan().any():
        raise ValueError(
            f"{int(images.isnan().flatten(1).any(1).sum())} of {len(images)} images hold values "
            "that are not a number; they would be black, without a word"
        )
    require_no_range_from_zero(images, "images")
    columns = math.ceil(math.sqrt(len(images))) if n_columns is None else n_columns
    columns = as_count(columns, "n_columns")
    pixels = _as_grey(images)
    opaque = torch.full_like(pixels[:, :1], 255)
    rgba = torch.cat([pixels.expand(-1, 3, -1, -1), opaque], dim=1)
    # make_grid leaves empty places at its pad value, 0: transparent, as the gaps are.
    grid = make_grid(rgba, nrow=min(columns, len(images)), padding=padding, pad_value=0)
    if len(images) > 1:
        grid = grid[:, padding : grid.shape[1] - padding, padding : grid.shape[2] - padding]
    return grid.permute(1, 2, 0).to(torch.uint8).numpy()


def _as_grey(images: Tensor) -> Float[Tensor, "B C H W"]:
    """Grey values 0 … 255 on the CPU."""
    images = images.detach().cpu()
    if images.dtype == torch.uint8:
        return images.float()
    if not images.is_floating_point():
        raise ValueError(
            "expected images as floating-point numbers in [-1, 1] or uint8 in 0 … 255, got "
            f"{str(images.dtype).removeprefix('torch.')}; data.dequantise makes them from levels"
        )
    return images.float().clamp(-1, 1).add(1).mul(127.5).round()


def image_grid(
    images: Images,
    *,
    n_columns: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show a batch of images as one picture.

    Args:
        images: values in [-1, 1] or bytes 0 … 255, grey (C = 1) or RGB (C = 3).
        n_columns: images in a row; by default as near to a square as can be.
        title: text above the picture.
        ax: axes to draw into; by default those of a new figure.
    """
    pixels = montage(images, n_columns=n_columns)
    with style():
        if ax is None:
            height, width = pixels.shape[:2]
            inches = min(MAX_WIDTH, max(1.5, width / 75))
            ax = new_axes(inches, inches * height / width + (0.3 if title else 0.05))
        ax.imshow(pixels)
        ax.set_axis_off()
        if title:
            ax.set_title(written(title), parse_math=False)
    return ax


def real_beside_generated(
    x_real: Images,
    x_fake: Images,
    *,
    n_columns: int = 8,
    titles: tuple[str, str] = ("Real", "Generated"),
) -> Figure:
    """Show real images on the left and generated ones on the right, as many of each.

    The longer batch is cut to the length of the shorter, so that neither side looks richer.
    """
    import matplotlib.pyplot as plt

    n_columns = as_count(n_columns, "n_columns")
    x_real, x_fake = as_tensor(x_real, "x_real"), as_tensor(x_fake, "x_fake")
    n = min(len(x_real), len(x_fake))
    if n == 0:
        raise ValueError(
            f"there are no images to show: {len(x_real)} real, {len(x_fake)} generated"
        )
    with style():
        rows = math.ceil(n / n_columns)
        height = MAX_WIDTH / 2 * rows / min(n_columns, n)
        figure, axes = plt.subplots(1, 2, figsize=(MAX_WIDTH, height + 0.3))
        for ax, images, title in zip(axes, (x_real, x_fake), titles, strict=True):
            image_grid(images[:n], n_columns=n_columns, title=title, ax=ax)
    return figure


def neighbour_pairs(
    generated: Images,
    reference: Images,
    indices: Int64[Tensor, "B K"] | IntegersLike,
    *,
    distances: Float[Tensor, "B K"] | Samples | None = None,
    title: str = "Generated, and its nearest training images",
) -> Figure:
    """Show each generated image above the reference images nearest to it: copied or new?

    Args:
        generated: the queries.
        reference: the images that were searched, training images as a rule.
        indices: for each query the rows of its K nearest, nearest first.
        distances: printed below the nearest image when given.
        title: text above the figure.

    Raises:
        ValueError: if there is not one row of indices for each generated image, or a distance for
            each index, or an index is none of the reference's.
    """
    import matplotlib.pyplot as plt

    generated, reference = as_tensor(generated, "generated"), as_tensor(reference, "reference")
    indices = as_int64(indices, "indices", "evaluation.nearest_neighbours finds them")
    distances = None if distances is None else as_tensor(distances, "distances")
    if indices.ndim != 2 or len(indices) != len(generated):
        raise ValueError(
            f"indices must be (B, K), the K nearest of each of the {len(generated)} generated "
            f"images, got {tuple(indices.shape)}; choose the same rows of both, and write "
            "indices[:, None] of one neighbour each"
        )
    n, k = indices.shape
    if n == 0 or k == 0:
        raise ValueError(f"there are no neighbours to show: indices have the shape {(n, k)}")
    if not 0 <= int(indices.min()) <= int(indices.max()) < len(reference):
        raise ValueError(
            f"indices must be rows 0 … {len(reference) - 1} of the reference, got "
            f"{int(indices.min())} to {int(indices.max())}; give the images that were searched"
        )
    if distances is not None and distances.shape != indices.shape:
        raise ValueError(
            f"expected a distance for each index, of shape {(n, k)}, got {tuple(distances.shape)}"
        )
    with style():
        tile = min(0.8, MAX_WIDTH / n)
        figure, axes = plt.subplots(
            k + 1, n, figsize=(tile * n + 0.7, tile * (k + 1) + 0.6), squeeze=False
        )
        for column in range(n):
            image_grid(generated[column : column + 1], ax=axes[0, column])
            for row in range(k):
                nearest = int(indices[column, row])
                image_grid(reference[nearest : nearest + 1], ax=axes[row + 1, column])
            if distances is not None:
                axes[1, column].text(
                    0.5, -0.04, f"{float(distances[column, 0]):.2f}", fontsize=7,
                    ha="center", va="top", transform=axes[1, column].transAxes,
                )  # fmt: skip
        labels = ["generated"] + ["nearest" if k == 1 else f"nearest {i + 1}" for i in range(k)]
        for ax, label in zip(axes[:, 0], labels, strict=True):
            ax.text(-0.1, 0.5, label, ha="right", va="center", transform=ax.transAxes)
        figure.suptitle(written(title), x=0.01, ha="left", fontsize=10, parse_math=False)
    return figure


def snapshots_strip(
    snapshots: Mapping[int, Images],
    *,
    n_columns: int = 12,
    title: str = "The same latent vectors through training",
) -> Figure:
    """Show training as rows of samples, one row for each count of training images seen.

    Args:
        snapshots: from the number of images seen to the samples at that time.
        n_columns: how many samples of each snapshot are shown.
        title: text above the figure.
    """
    import matplotlib.pyplot as plt

    if not snapshots:
        raise ValueError("there are no snapshots: train with a snapshot interval")
    n_columns = as_count(n_columns, "n_columns")
    counts = sorted(snapshots)
    with style():
        tile = (MAX_WIDTH - 1) / n_columns
        figure, axes = plt.subplots(
            len(counts), 1, figsize=(MAX_WIDTH, (tile + 0.06) * len(counts) + 0.35), squeeze=False
        )
        for ax, count in zip(axes[:, 0], counts, strict=True):
            shown = as_tensor(snapshots[count], "snapshots")[:n_columns]
            image_grid(shown, n_columns=n_columns, ax=ax)
            ax.text(-0.01, 0.5, f"{count:,}", ha="right", va="center", transform=ax.transAxes)
        axes[0, 0].text(
            -0.01, 1.05, "images seen", ha="right", va="bottom", fontsize=7,
            transform=axes[0, 0].transAxes,
        )  # fmt: skip
        figure.suptitle(written(title), x=0.01, ha="left", fontsize=10, parse_math=False)
    return figure
