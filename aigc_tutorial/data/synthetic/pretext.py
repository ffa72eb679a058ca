"""Targets that are made from the data: what self-supervised learning learns from."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import Samples, as_given, require_rng


def quarter_turns(
    images: Float[Tensor, "B C H W"] | Samples, *, rng: torch.Generator
) -> tuple[Float[Tensor, "B C H W"], Int64[Tensor, " B"]]:
    """Turn each image by a random number of quarter turns, and say by how many.

    A network that is to tell the number has to know how things usually stand. Nobody has labelled
    anything: the target is known because we turned the image ourselves.

    Args:
        images: square ones.
        rng: source of randomness, on the images' device or on the CPU.

    Returns:
        The turned images, and for each 0, 1, 2 or 3 quarter turns, anticlockwise.

    Raises:
        ValueError: if the images are not square.

    Source: Gidaris et al. (2018), arXiv 1803.07728.
    """
    images = as_given(images, "images")
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(f"expected square images (B, C, S, S), got {tuple(images.shape)}")
    turns = torch.randint(4, (len(images),), generator=require_rng(rng), device=rng.device)
    turns = turns.to(images.device)
    turned = images.clone()
    for n in (1, 2, 3):
        chosen = turns == n
        turned[chosen] = images[chosen].rot90(n, (2, 3))
    return turned, turns
