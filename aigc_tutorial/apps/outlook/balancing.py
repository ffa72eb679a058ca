"""What is done about a rare class: photographs that are changed, repeated or joined."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.apps.outlook.lesions import Photographs
from aigc_tutorial.data.checks import require_rng, require_same_shape

Change = Callable[[Float[Tensor, "B C H W"], torch.Generator], Float[Tensor, "B C H W"]]
"""What is done to the images of a batch before they are learned from."""


def all_positions(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "8*N C H W"]:
    """Each square image in all eight positions that :func:`turn_and_flip` chooses from.

    Raises:
        ValueError: if the images are not square.
    """
    _require_square(images)
    turned = [torch.rot90(images, k, (2, 3)) for k in range(4)]
    return torch.cat(turned + [part.flip(3) for part in turned])


def turn_and_flip(
    images: Float[Tensor, "B C H W"], rng: torch.Generator
) -> Float[Tensor, "B C H W"]:
    """Each square image in one of its eight positions, by chance: turned, and seen in a mirror.

    Raises:
        ValueError: if the images are not square.
    """
    _require_square(images)
    position = torch.randint(8, (len(images),), generator=require_rng(rng), device=rng.device)
    changed = torch.empty_like(images)
    for k in range(8):
        rows = (position == k).nonzero()[:, 0].to(images.device)
        part = torch.rot90(images[rows], k % 4, (2, 3))
        changed[rows] = part.flip(3) if k >= 4 else part
    return changed


def _require_square(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(f"expected square images (N, C, H, H), got {tuple(images.shape)}")


def add_noise(images: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Each image with noise of standard deviation 0.1 on every pixel."""
    noise = torch.randn(images.shape, generator=require_rng(rng), device=rng.device)
    return (images + 0.1 * noise.to(images)).clamp(-1, 1)


def oversample(photographs: Photographs) -> Photographs:
    """Repeat the rare class, as often as leaves it nearest to the size of the other."""
    counts = require_both(photographs)
    positive = (photographs.labels == 1).nonzero()[:, 0]
    negative = (photographs.labels == 0).nonzero()[:, 0]
    return photographs.take(
        torch.cat([negative, positive.repeat(max(1, round(counts[0] / counts[1])))])
    )


def require_both(photographs: Photographs) -> tuple[int, int]:
    """How many photographs there are of the frequent and of the rare class, some of each."""
    n_positive = int((photographs.labels == 1).sum())
    n_negative = len(photographs) - n_positive
    if not n_positive or not n_negative:
        raise ValueError(f"both classes need photographs, got {n_negative} and {n_positive}")
    return n_negative, n_positive


def with_generated(photographs: Photographs, images: Float[Tensor, "N 1 H W"]) -> Photographs:
    """Join generated photographs of the rare class, of a patient −1 who is nobody.

    Raises:
        ValueError: if they are of another size than the photographs.
    """
    require_same_shape(images, photographs.images, "images", "photographs")
    ones = torch.ones_like(photographs.labels[:1]).expand(len(images))
    return Photographs(
        torch.cat([photographs.images, images.to(photographs.images)]),
        torch.cat([photographs.labels, ones]),
        torch.cat([photographs.patients, -ones]),
    )
