"""Images of few grey levels: what a model of discrete pixels learns and draws."""

from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from aigc_tutorial.data.batches.rows import ShuffledBatches, ShuffledTuples
from aigc_tutorial.data.checks import (
    Samples,
    as_floats,
    require_image_range,
    require_rng,
)
from aigc_tutorial.integers import IntegersLike, as_count, as_int64

_FROM_BYTES = "Images in [-1, 1] are made from bytes by data.pixels_to_images."


def quantise(images: Samples, n_levels: int) -> Int64[Tensor, "..."]:
    """Round every value to the nearest of ``n_levels`` evenly spaced ones, from -1 to 1.

    With two levels this is a threshold at 0: values from 0 on are 1.

    Args:
        images: values in [-1, 1], in a tensor or a NumPy array; those outside are clipped.
        n_levels: at least 2.

    Returns:
        The level of each value, 0 … n_levels - 1.

    Raises:
        ValueError: if a value is no finite floating-point number, if images (of three axes or
            more) lie in [0, 1], or if ``n_levels`` is no whole number.
    """
    as_count(n_levels, "n_levels", at_least=2)
    images = as_floats(images, "images", _FROM_BYTES)
    if images.ndim >= 3:
        require_image_range(images.clamp(-1, 1), "images")
    # floor(x + 1/2), since `round` takes halves to the even neighbour: up here and down there.
    nearest = images.add(1.0).mul((n_levels - 1) / 2).add(0.5).floor()
    return nearest.clamp(0, n_levels - 1).to(torch.int64)


def dequantise(
    levels: Int64[Tensor, "*shape"] | IntegersLike, n_levels: int
) -> Float32[Tensor, "*shape"]:
    """Map levels 0 … n_levels - 1 to grey values in [-1, 1]; :func:`quantise` inverts it.

    Raises:
        ValueError: if there are other levels, or no whole numbers.
    """
    as_count(n_levels, "n_levels", at_least=2)
    levels = as_int64(levels, "levels", "quantise makes them from images")
    if levels.numel() and not 0 <= int(levels.min()) <= int(levels.max()) < n_levels:
        raise ValueError(
            f"expected levels 0 … {n_levels - 1}, got {int(levels.min())} … {int(levels.max())}"
        )
    return levels.to(torch.float32).div((n_levels - 1) / 2).sub(1.0)


def binarise(images: Samples, *, rng: torch.Generator) -> Int64[Tensor, "..."]:
    """Draw every pixel, 0 or 1, with its grey value as the probability of 1.

    Drawn once with a fixed seed, this is "fixed" (or "stochastically") binarized MNIST, of which
    likelihoods are reported (Salakhutdinov & Murray, 2008). Their draw is not reproduced here:
    numbers from another draw agree with theirs up to sampling noise. For training, draw anew each
    time an image is seen: see :class:`BinarisedBatches`.

    Args:
        images: values in [-1, 1], in a tensor or a NumPy array; -1 is never drawn as 1, and 1
            always is.
        rng: source of randomness, on the images' device or on the CPU.

    Raises:
        ValueError: if a value is no finite floating-point number or beyond ±1, or if images (of
            three axes or more) lie in [0, 1].
    """
    require_rng(rng)
    images = as_floats(images, "images", _FROM_BYTES)
    if images.ndim >= 3:
        require_image_range(images, "images")
    elif images.numel() and images.abs().max() > 1:
        low, high = (float(end) for end in torch.aminmax(images))
        raise ValueError(
            f"images must lie in [-1, 1], where a grey value is the probability of 1, got "
            f"{low:.4g} to {high:.4g}; data.pixels_to_images makes them from bytes"
        )
    threshold = torch.rand(images.shape, generator=rng, device=rng.device, dtype=torch.float32)
    return (threshold.to(images.device) < images.add(1.0).div(2.0)).to(torch.int64)


class BinarisedBatches:
    """Batches whose images are drawn anew by :func:`binarise` each time they are seen.

    >>> images, labels = 2 * torch.rand(100, 28, 28) - 1, torch.zeros(100, dtype=torch.int64)
    >>> order, pixels = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    >>> batches = BinarisedBatches(
    ...     ShuffledTuples((images, labels), 64, rng=order), rng=pixels
    ... )
    >>> levels, labels = next(batches)
    >>> levels.dtype, levels.shape
    (torch.int64, torch.Size([64, 28, 28]))
    """

    def __init__(self, batches: ShuffledTuples | ShuffledBatches, *, rng: torch.Generator) -> None:
        """Wrap a stream of batches.

        Args:
            batches: yields images in [-1, 1], alone or first in a tuple; what follows them there
                is passed on.
            rng: draws the pixels; must be this object's own.
        """
        self.batches = batches
        self.rng = require_rng(rng)

    def __iter__(self) -> "BinarisedBatches":
        """The iterator itself."""
        return self

    def __next__(self) -> Tensor | tuple[Tensor, ...]:
        """The next batch, levels 0 and 1 in place of the images."""
        batch = next(self.batches)
        if isinstance(batch, Tensor):
            return binarise(batch, rng=self.rng)
        images, *others = batch
        return binarise(images, rng=self.rng), *others

    def identity(self) -> dict[str, Any]:
        """What tells these batches from those of other images or other seeds."""
        return self.batches.identity() | {"seed of the pixels": self.rng.initial_seed()}

    def state_dict(self) -> dict[str, Any]:
        """All that the coming batches depend on, besides the data."""
        return {"batches": self.batches.state_dict(), "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where :meth:`state_dict` was taken."""
        self.batches.load_state_dict(state["batches"])
        self.rng.set_state(torch.as_tensor(state["rng"], device="cpu"))
