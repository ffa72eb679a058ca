"""Figures of the plane: densities, samples, and what a discriminator says at each point."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from aigc_tutorial.nn.mode import evaluation_mode
from aigc_tutorial.viz.labels import written
from aigc_tutorial.viz.numbers import as_numbers
from aigc_tutorial.viz.style import INK, VERMILLION, new_axes, style


@runtime_checkable
class PlaneDistribution(Protocol):
    """A distribution over the plane with a known density and marked modes."""

    @property
    def mode_centres(self) -> Float[Tensor, "n_modes 2"]:
        """Centre of each mode."""
        ...

    def log_density(self, x: Float[Tensor, "N 2"], /) -> Float[Tensor, " N"]:
        """Natural logarithm of the density at each point."""
        ...


def _square(extent: float, resolution: int) -> Float[Tensor, "R R 2"]:
    """Points of a regular grid over [-extent, extent]²; the first index is the height."""
    if extent <= 0:
        raise ValueError(f"extent must be positive, got {extent}")
    steps = torch.linspace(-extent, extent, resolution, dtype=torch.float32, device="cpu")
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], dim=-1)


def _extent_of(points: Float[Tensor, "N 2"]) -> float:
    """Half the side of a centred square that holds all points with some room."""
    return 1.3 * float(points.abs().max()) + 0.1


def _finish(ax: Axes, extent: float, title: str | None) -> Axes:
    ax.set_xlim(-extent, extent)
    ax.set_ylim(-extent, extent)
    ax.set_aspect("equal")
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    if title:
        ax.set_title(written(title), parse_math=False)
    return ax


def density_2d(
    distribution: PlaneDistribution,
    *,
    extent: float | None = None,
    resolution: int = 400,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show the density of a 2-D distribution, dark where it is high.

    The shade is the square root of the density: narrow modes stay visible beside broad ones.

    Args:
        distribution: gives ``log_density`` and ``mode_centres``.
        extent: half the side of the square shown; by default it holds all modes with room.
        resolution: points along each side.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    side = _extent_of(distribution.mode_centres) if extent is None else extent
    points = _square(side, resolution)
    log_density = (
        distribution.log_density(points.flatten(0, 1)).cpu().reshape(resolution, resolution)
    )
    shade = (0.5 * (log_density - log_density.max())).exp()
    with style():
        ax = new_axes(3.4, 3.4) if ax is None else ax
        ax.imshow(
            shade.numpy(), extent=(-side, side, -side, side), origin="lower", cmap="Blues",
            vmin=0, vmax=1.3, alpha=shade.clamp(0, 1).numpy(),
        )  # fmt: skip
        return _finish(ax, side, title)


def samples_2d(
    samples: Float[Tensor, "N 2"],
    *,
    distribution: PlaneDistribution | None = None,
    extent: float | None = None,
    colour: str = VERMILLION,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show samples as dots, over the true density and its marked modes when these are known.

    Args:
        samples: points of the plane; those outside the square are counted in a note.
        distribution: what they should follow; its modes are marked with crosses.
        extent: half the side of the square shown.
        colour: colour of the dots.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.

    Raises:
        ValueError: if the samples are no points of the plane, or not finite.
    """
    points = torch.from_numpy(as_numbers(samples, "the samples"))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            "the samples must be points of the plane, one a row, of shape (N, 2), got "
            f"{tuple(points.shape)}; take two components of others, and transpose (2, N)"
        )
    if extent is None:
        extent = _extent_of(points if distribution is None else distribution.mode_centres)
    with style():
        ax = new_axes(3.4, 3.4) if ax is None else ax
        if distribution is not None:
            density_2d(distribution, extent=extent, ax=ax)
            centres = distribution.mode_centres.cpu()
            ax.plot(centres[:, 0], centres[:, 1], "+", color=INK, markersize=9, label="modes")
        ax.plot(
            points[:, 0], points[:, 1], ".", color=colour, markersize=3, alpha=0.5,
            markeredgewidth=0, label="samples",
        )  # fmt: skip
        n_outside = int((points.abs() > extent).any(1).sum())
        if n_outside:
            note = f"{n_outside:,} of {len(points):,} samples lie outside"
            ax.text(0.02, 0.02, note, fontsize=7, transform=ax.transAxes)
        return _finish(ax, extent, title)


def _logits(discriminator: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Logits of points; a network is asked on its own device and in evaluation mode."""
    if not isinstance(discriminator, nn.Module):
        return discriminator(points.to(torch.get_default_device()))
    like = next(discriminator.parameters(), points)
    with evaluation_mode(discriminator):
        return discriminator(points.to(like.device, like.dtype))


def _draw_border(ax: Axes, probability: Float[Tensor, "R R"], extent: float) -> None:
    """A line where the probability is 1/2, if it is so anywhere."""
    if float(probability.min()) < 0.5 < float(probability.max()):
        steps = torch.linspace(-extent, extent, len(probability), dtype=torch.float32, device="cpu")
        ax.contour(steps, steps, probability, levels=[0.5], colors=[INK], linewidths=1)


@torch.no_grad()
def discriminator_field_2d(
    discriminator: Callable[[Tensor], Tensor],
    extent: float,
    *,
    resolution: int = 200,
    bar: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show D(x) = sigmoid(logit) over the plane: purple where it says real, brown where fake.

    A line follows D(x) = 1/2. Samples can be drawn on top with ``samples_2d(..., ax=ax)``.

    Args:
        discriminator: maps points (N, 2) to logits (N,); a module may be on any device.
        extent: half the side of the square shown.
        resolution: points along each side.
        bar: whether a bar beside the axes says which colour is which probability.
        title: text above the figure.
        ax: axes to draw into; by default those of a new figure.
    """
    points = _square(extent, resolution)
    logits = _logits(discriminator, points.flatten(0, 1))
    if logits.shape != (resolution**2,):
        raise ValueError(
            f"the discriminator must give one logit a point, shape ({resolution**2},), "
            f"got {tuple(logits.shape)}"
        )
    probability = torch.from_numpy(as_numbers(logits, "the logits"))
    probability = probability.sigmoid().reshape(resolution, resolution)
    with style():
        ax = new_axes(4.1, 3.4) if ax is None else ax
        picture = ax.imshow(
            probability.numpy(), extent=(-extent, extent, -extent, extent), origin="lower",
            cmap="PuOr", vmin=0, vmax=1, alpha=0.8,
        )  # fmt: skip
        _draw_border(ax, probability, extent)
        if bar:
            scale = ax.figure.colorbar(picture, ax=ax, shrink=0.85)
            scale.set_label("D(x), probability of being real")
            scale.outline.set_visible(False)
        return _finish(ax, extent, title)


@torch.no_grad()
def training_frames(
    panels: Mapping[str, Sequence[tuple[Tensor, Callable[[Tensor], Tensor] | None]]],
    *,
    distribution: PlaneDistribution,
    extent: float,
    resolution: int = 60,
) -> Iterator[Figure]:
    """Frames of a film of trainings in the plane, for :func:`.widgets.frames_player`.

    It is one figure, drawn once: each frame changes the dots and what lies behind them, which is
    D(x) in colour, with a line where it is 1/2, or the density.

    Args:
        panels: from a title to what its panel shows in each frame: samples (N, 2), and a copy of
            the discriminator of that moment, or None in all frames for the density.
        distribution: what the samples should follow; crosses mark its modes.
        extent: half the side of the square shown.
        resolution: points along each side at which a discriminator is asked.

    Raises:
        ValueError: if there is no panel, they have different numbers of frames, the discriminator
            of a panel is missing in some of its frames or one network in all of them, or its logits
            are not finite.
    """
    lengths = {title: len(frames) for title, frames in panels.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"panels must be of equally many frames, and of some, got {lengths}")
    for title, frames in panels.items():
        _check_discriminators(title, [discriminator for _, discriminator in frames])
    points = _square(extent, resolution)
    with style():
        figure, axes = plt.subplots(
            1, len(panels), figsize=(3.5 * len(panels), 3.3), sharey=True, squeeze=False
        )
    for ax, (title, frames) in zip(axes[0], panels.items(), strict=True):
        if frames[0][1] is None:
            density_2d(distribution, extent=extent, title=title, ax=ax)
        else:
            discriminator_field_2d(
                frames[0][1], extent, resolution=resolution, bar=False, title=title, ax=ax
            )
        ax.plot(*distribution.mode_centres.cpu().T, "+", color=INK, markersize=9)
        ax.plot([], [], ".", color=INK, markersize=2.5, alpha=0.6)
    for ax in axes[0, 1:]:
        ax.set_ylabel("")
    for moment in zip(*panels.values(), strict=True):
        for ax, (samples, discriminator) in zip(axes[0], moment, strict=True):
            ax.lines[-1].set_data(*as_numbers(samples, "the samples").T)
            if discriminator is not None:
                logits = as_numbers(_logits(discriminator, points.flatten(0, 1)), "the logits")
                probability = torch.from_numpy(logits).sigmoid().reshape(resolution, resolution)
                ax.images[0].set_data(probability)
                for border in ax.collections:
                    border.remove()
                _draw_border(ax, probability, extent)
        yield figure


def _check_discriminators(
    title: str, discriminators: Sequence[Callable[[Tensor], Tensor] | None]
) -> None:
    """Refuse what would leave an earlier moment's field behind the samples, or the last one's."""
    n_missing = sum(discriminator is None for discriminator in discriminators)
    if 0 < n_missing < len(discriminators):
        raise ValueError(
            f"the panel {title!r} has no discriminator in {n_missing} of {len(discriminators)} "
            "frames, which would show that of another frame; give one in all frames, or in none"
        )
    first = discriminators[0]
    one = isinstance(first, nn.Module) and all(other is first for other in discriminators)
    if one and len(discriminators) > 1:
        raise ValueError(
            f"the panel {title!r} has one network in all frames, which is as it is now and not as "
            "it was at each moment; keep copies in training: copy.deepcopy(discriminator)"
        )
