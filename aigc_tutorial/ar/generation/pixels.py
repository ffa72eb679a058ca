"""Drawing images from a PixelCNN without computing anything twice.

An image of H·W pixels takes H·W steps. The naive loop, ``PixelCNN.sample_naively``, runs the whole
network in each, for a single pixel's logits. Here every feature is computed once: the vertical
stack one row at a time, for it depends on the rows above alone, and the horizontal stack one pixel
at a time, from the columns kept (the idea of Ramachandran et al., 2017, arXiv 1704.06001).

All random numbers are drawn beforehand, one for each pixel. With one seed both loops therefore draw
the same image; only a number within rounding error (about 1e-6) of a boundary could differ.
"""

import math
from collections.abc import Iterator
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.checks import as_levels, require_values_of
from aigc_tutorial.ar.generation.sampling import check_drawn, check_temperature, cooled
from aigc_tutorial.ar.interface import PixelModel
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import IntegersLike, as_count, as_labels
from aigc_tutorial.nn.gated import gate
from aigc_tutorial.nn.mode import evaluation_mode, gradients_off


class IncrementalLogits:
    """Logits of one pixel from features kept of the pixels before it.

    Pixels must be asked for in raster order. It may begin at any row, and rows before that one cost
    the vertical stack alone. Nothing here has gradients.

    Args:
        model: any PixelCNN.
        labels: class of each image, if the model has classes.
        batch_size: B, images drawn at a time.
    """

    @gradients_off()
    def __init__(
        self, model: PixelModel, labels: Int64[Tensor, " B"] | None, batch_size: int
    ) -> None:
        self.model = model
        self.labels = labels
        self.layers = model.two_stack_layers
        size = (batch_size, model.image_size[1])
        self.first = _Cache(model.first_vertical, model.first_horizontal, *size)
        self.caches = [_Cache(layer.vertical, layer.horizontal, *size) for layer in self.layers]
        self.residuals = [layer.residual.weight.flatten(1) for layer in self.layers]
        self.n_rows_read = 0

    @torch.no_grad()
    def at(self, levels: Int64[Tensor, "B H W"], row: int, column: int) -> Float[Tensor, "B V"]:
        """Logits at a pixel; of ``levels`` only those before it that are new are read."""
        if column == 0:
            for r in range(self.n_rows_read, row + 1):
                self._read_above(levels, r)
            self.n_rows_read = row + 1
        return self._read_left(levels, row, column)

    def _read_above(self, levels: Tensor, row: int) -> None:
        """Compute the vertical stack's features of a row, and what they add to the other stack."""
        if row > 0:  # The image is shifted down: nothing is above its first row.
            self.first.push(self.model.encode(levels[:, row - 1 : row]))
        vertical = self.model.first_vertical(self.first.above)
        for layer, cache in zip(self.layers, self.caches, strict=True):
            cache.push(vertical)
            update, context = layer.read_above(cache.above, self.labels)
            cache.add_context(context)
            vertical = vertical + update

    def _read_left(self, levels: Tensor, row: int, column: int) -> Tensor:
        """Compute the horizontal stack's features of a pixel, and its logits."""
        if column > 0:  # The image is shifted right: nothing is left of its first column.
            pixel = self.model.encode(levels[:, row : row + 1, column - 1 : column])
            self.first.columns[column].copy_(pixel[:, :, 0, 0].t())
        horizontal = self.first.convolve(column)
        for cache, residual in zip(self.caches, self.residuals, strict=True):
            cache.columns[column].copy_(horizontal)
            update = gate(cache.convolve(column), dim=0)
            horizontal = torch.addmm(horizontal, residual, update)
        return self.model.head(horizontal.t())


class _Cache:
    """What is kept of the inputs of one vertical and one horizontal convolution.

    From pixel to pixel the batch is the last axis: the columns under the horizontal kernel then lie
    side by side in memory, and one matrix product computes the convolution.

    A pixel is so little to compute that finding the right pieces of memory is a tenth of the work.
    So all are found at the start: ``columns`` and ``windows`` share one memory.

    Attributes:
        above: (B, C, R, W), the rows under the vertical kernel; zeros above the image.
        columns: of each column of the current row its input (C, B).
        windows: of each column what lies under the horizontal kernel (R C, B): its own input and
            those to its left, zeros left of the image.
        contexts: of each column what is added to its horizontal convolution (E, B).
    """

    def __init__(
        self, vertical: nn.Conv2d, horizontal: nn.Conv2d, batch_size: int, n_columns: int
    ) -> None:
        n_maps, reach = vertical.in_channels, vertical.kernel_size[0]
        zeros = vertical.weight.new_zeros
        self.above = zeros(batch_size, n_maps, reach, n_columns)
        left = zeros(reach - 1 + n_columns, n_maps, batch_size)
        self.columns = [left[reach - 1 + i] for i in range(n_columns)]
        self.windows = [left[i : i + reach].view(-1, batch_size) for i in range(n_columns)]
        self.weight = horizontal.weight.squeeze(2).transpose(1, 2).flatten(1)
        self.bias = cast(Tensor, horizontal.bias).unsqueeze(1)
        self.contexts = self.bias.expand(n_columns, -1, batch_size).unbind()

    def push(self, row: Tensor) -> None:
        """Move on by one row."""
        self.above = torch.cat([self.above[:, :, 1:], row], dim=2)

    def add_context(self, context: Tensor) -> None:
        """Take what the rows above say, (B, E, 1, W), of the row that begins."""
        columns = context.squeeze(2).permute(2, 1, 0).contiguous() + self.bias
        self.contexts = columns.unbind()

    def convolve(self, column: int) -> Tensor:
        """Horizontal convolution at a column whose input is there."""
        return torch.addmm(self.contexts[column], self.weight, self.windows[column])


def choose_levels(
    logits: Float[Tensor, "B V"], noise: Float[Tensor, " B"], *, temperature: float = 1.0
) -> Int64[Tensor, " B"]:
    """Draw a level from each row of logits by inverting the cumulative distribution.

    A level is drawn when the noise, uniform in [0, 1), falls into its stretch of the interval. The
    stretch is as long as the level is probable. More noise never gives a lower level.

    Args:
        logits: of each image's pixel.
        noise: one uniform number for each image.
        temperature: divides the logits; 0 takes the most probable level.

    Returns:
        Levels of a probability above 0, whatever rounding does to the boundaries.

    Raises:
        ValueError: if the temperature is negative, infinite or NaN, or the logits of a row are no
            distribution.
    """
    check_temperature(temperature)
    if temperature == 0:
        best, levels = logits.max(dim=1)
        check_drawn(best, logits, lowest=-math.inf)
        return levels
    if temperature != 1:
        logits = cooled(logits, temperature)
    probabilities = logits.softmax(dim=1, dtype=torch.float32)
    # Without the last boundary, which is 1 and may come out just below.
    boundaries = probabilities.cumsum(dim=1)[:, :-1]
    levels = (noise.unsqueeze(1) >= boundaries).sum(dim=1)
    chosen = probabilities.gather(1, levels.unsqueeze(1)).squeeze(1)
    if (chosen > 0).all():  # almost always, and one look is all that it costs
        return levels
    check_drawn(chosen, logits, lowest=-1)
    return _last_possible(probabilities, levels)


def _last_possible(probabilities: Tensor, levels: Tensor) -> Tensor:
    """Of each row the last level up to the given one that has a probability.

    Where the boundary of all that is possible came out just below 1, noise beyond it went on to
    levels that are not.
    """
    numbers = torch.arange(probabilities.shape[1], device=levels.device)
    possible = (probabilities > 0) & (numbers <= levels.unsqueeze(1))
    return (numbers * possible).amax(dim=1)


def sample(
    model: PixelModel,
    n: int,
    labels: Int64[Tensor, " {n}"] | IntegersLike | None = None,
    *,
    rng: torch.Generator | None = None,
    temperature: float = 1.0,
    given: Int64[Tensor, "{n} H W"] | IntegersLike | None = None,
    n_given_rows: int = 0,
    batch_size: int = 500,
) -> Int64[Tensor, "{n} H W"]:
    """Draw ``n`` images of grey levels.

    Args:
        model: any PixelCNN.
        n: number of images.
        labels: class of each image, if the model has classes.
        rng: source of randomness; with the same seed the same images.
        temperature: divides the logits; 0 takes the most probable level everywhere.
        given: images to complete. Their first rows are kept and the rest is drawn given those.
        n_given_rows: how many rows are kept, 1 … H with given images.
        batch_size: how many are computed at once, a matter of memory alone.

    Returns:
        Levels 0 … V - 1, on the model's device.

    Raises:
        ValueError: if a setting is out of its range, labels or given images do not fit, or the
            model's logits are no distribution.
    """
    n, batch_size = as_count(n, "n"), as_count(batch_size, "batch_size")
    levels, classes = _start(model, n, labels, temperature, given, n_given_rows)
    noise = draw_noise(model, n, rng)
    for start in range(0, n, batch_size):
        part = slice(start, start + batch_size)
        part_labels = None if classes is None else classes[part]
        source = IncrementalLogits(model, part_labels, len(levels[part]))
        for _ in _draw(
            source, levels[part], noise[part], temperature=temperature, first_row=n_given_rows
        ):
            pass  # Each step fills in one pixel of `levels`.
    return levels


def stream(
    model: PixelModel,
    n: int,
    labels: Int64[Tensor, " {n}"] | IntegersLike | None = None,
    *,
    rng: torch.Generator | None = None,
    temperature: float = 1.0,
    given: Int64[Tensor, "{n} H W"] | IntegersLike | None = None,
    n_given_rows: int = 0,
) -> Iterator[Int64[Tensor, "{n} H W"]]:
    """Draw like :func:`sample`, and show the images after every pixel.

    Every W-th of them has a row complete: ``itertools.islice(…, W - 1, None, W)`` goes by rows.

    Until the iterator is exhausted or closed, the model is in evaluation mode.

    Yields:
        The images so far, pixels not drawn yet being 0. It is one tensor that goes on changing:
        clone what is to be kept.
    """
    levels, classes = _start(model, as_count(n, "n"), labels, temperature, given, n_given_rows)
    noise = draw_noise(model, n, rng)
    source = IncrementalLogits(model, classes, n)
    return _draw(source, levels, noise, temperature=temperature, first_row=n_given_rows)


def _draw(
    source: IncrementalLogits,
    levels: Tensor,
    noise: Tensor,
    *,
    temperature: float,
    first_row: int,
) -> Iterator[Tensor]:
    """Fill ``levels`` in place, pixel by pixel in raster order."""
    _, height, columns = levels.shape
    with evaluation_mode(source.model):
        for row in range(first_row, height):
            for column in range(columns):
                with gradients_off():
                    logits = source.at(levels, row, column)
                    levels[:, row, column] = choose_levels(
                        logits, noise[:, row, column], temperature=temperature
                    )
                yield levels


def draw_noise(model: PixelModel, n: int, rng: torch.Generator | None) -> Tensor:
    """One uniform number for each pixel, drawn where the generator lives, by default the CPU."""
    where = "cpu" if rng is None else require_rng(rng).device
    noise = torch.rand(n, *model.image_size, generator=rng, device=where, dtype=torch.float32)
    return noise.to(model.device)


@gradients_off()
def _start(
    model: PixelModel,
    n: int,
    labels: IntegersLike | None,
    temperature: float,
    given: IntegersLike | None,
    n_given_rows: int,
) -> tuple[Tensor, Tensor | None]:
    """Levels before the first pixel is drawn, zeros below the given rows; and the labels."""
    check_temperature(temperature)
    require_values_of(model)
    classes = as_labels(labels, model.config.n_classes, batch_size=n)
    classes = None if classes is None else classes.to(model.device)
    height, _ = model.image_size
    levels = torch.zeros(n, *model.image_size, dtype=torch.int64, device=model.device)
    if given is None:
        if n_given_rows != 0:
            raise ValueError(f"n_given_rows is {n_given_rows} but no images are given")
        return levels, classes
    images = as_levels(given, model.config)
    if len(images) != n:
        raise ValueError(f"{n} images are to be drawn and {len(images)} are given")
    n_given_rows = as_count(n_given_rows, "n_given_rows, the rows to keep of the given images,")
    if n_given_rows > height:
        raise ValueError(f"n_given_rows must lie in 1 … {height}, got {n_given_rows}")
    levels[:, :n_given_rows] = images[:, :n_given_rows]
    return levels, classes


class SamplingMixin(PixelModel):
    """Gives a model the method :meth:`sample`."""

    def sample(
        self,
        n: int,
        labels: Int64[Tensor, " {n}"] | IntegersLike | None = None,
        *,
        rng: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Int64[Tensor, "{n} H W"]:
        """Draw images; :func:`aigc_tutorial.ar.generation.pixels.sample` has more settings."""
        return sample(self, n, labels, rng=rng, temperature=temperature)
