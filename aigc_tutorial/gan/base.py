"""What every generator and discriminator of this package can do."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.nn import Pretrained


class Generator(Pretrained):
    """Maps latent vectors z ~ N(0, I) to data.

    A subclass defines ``forward`` and a configuration with ``latent_dim`` and ``image_shape``.
    """

    @property
    def latent_dim(self) -> int:
        """Z, the number of components of a latent vector."""
        return self.config.latent_dim

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one output: (C, H, W) for images."""
        return self.config.image_shape

    def sample_latent(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "{n} Z"]:
        """Draw ``n`` latent vectors on the model's device.

        The numbers are drawn where ``generator`` lives, by default on the CPU, and moved after
        that: one seed then gives the same latents on a laptop and on a GPU.
        """
        where = "cpu" if generator is None else generator.device
        z = torch.randn(n, self.latent_dim, generator=generator, device=where)
        return z.to(self.device)

    @torch.no_grad()
    def sample(
        self, n: int, *, generator: torch.Generator | None = None, batch_size: int = 1000
    ) -> Float[Tensor, "{n} ..."]:
        """Draw ``n`` samples in evaluation mode, without gradients.

        Args:
            n: number of samples.
            generator: source of randomness; with the same seed the same samples.
            batch_size: how many are computed at once, a matter of memory alone.

        Returns:
            Samples on the model's device; images lie in [-1, 1].
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        was_training = self.training
        self.eval()
        try:
            z = self.sample_latent(n, generator=generator)
            return torch.cat([self(part) for part in z.split(batch_size)])
        finally:
            self.train(was_training)


class Discriminator(Pretrained):
    """Maps data to one logit each; ``sigmoid(logit)`` is the probability of being real.

    For a Wasserstein loss the same number is a critic's score and no sigmoid is applied. A
    subclass defines ``forward`` and a configuration with ``image_shape``.
    """

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one input: (C, H, W) for images."""
        return self.config.image_shape


def check_image_shape(image_shape: tuple[int, ...]) -> int:
    """Return the number of values in one sample after checking that its shape is usable.

    Raises:
        ValueError: if ``image_shape`` is neither (C, H, W) nor (n,), or looks like (H, W, C).
    """
    if len(image_shape) not in (1, 3) or min(image_shape) < 1:
        raise ValueError(
            "image_shape must be (channels, height, width), or (n,) for vectors, with positive "
            f"sizes, got {image_shape}"
        )
    if len(image_shape) == 1:
        return image_shape[0]
    channels, height, width = image_shape
    if width in (1, 3) and channels not in (1, 3) and height > 3:
        raise ValueError(
            f"image_shape {image_shape} looks like (height, width, channels); torch orders images "
            f"(channels, height, width): write {(width, channels, height)}"
        )
    return math.prod(image_shape)


def check_images(x: Tensor, image_shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless ``x`` is a batch of data of shape ``image_shape``."""
    if tuple(x.shape[1:]) != tuple(image_shape):
        raise ValueError(
            f"expected a batch of shape (B, {', '.join(map(str, image_shape))}), "
            f"got {tuple(x.shape)}"
        )


def check_latent(z: Tensor, latent_dim: int) -> None:
    """Raise a ValueError unless ``z`` is a batch of latent vectors of size ``latent_dim``."""
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"expected latents of shape (B, {latent_dim}), got {tuple(z.shape)}")
