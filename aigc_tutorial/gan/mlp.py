"""Fully connected generator and discriminator: the simplest pair that makes digits."""

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.config import Config
from aigc_tutorial.gan.base import (
    Discriminator,
    Generator,
    check_image_shape,
    check_images,
    check_latent,
)


@dataclass(frozen=True)
class MLPGeneratorConfig(Config):
    """Configuration of :class:`MLPGenerator`.

    Attributes:
        latent_dim: Z, size of the latent vector.
        image_shape: (C, H, W) of one image, or (n,) for vectors such as points in the plane.
        hidden: widths of the hidden layers, from the latent on.
        batch_norm: normalise hidden layers but the first over the batch.
        bounded: end in tanh, as images in [-1, 1] want it; points in the plane do not.
    """

    latent_dim: int = 100
    image_shape: tuple[int, ...] = (1, 28, 28)
    hidden: tuple[int, ...] = (256, 512)
    batch_norm: bool = False
    bounded: bool = True

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("latent_dim", "hidden", at_least=1)


@dataclass(frozen=True)
class MLPDiscriminatorConfig(Config):
    """Configuration of :class:`MLPDiscriminator`.

    Attributes:
        image_shape: (C, H, W) of one image, or (n,) for vectors such as points in the plane.
        hidden: widths of the hidden layers, from the image on.
    """

    image_shape: tuple[int, ...] = (1, 28, 28)
    hidden: tuple[int, ...] = (512, 256)

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("hidden", at_least=1)


class MLPGenerator(Generator):
    """z → hidden layers with LeakyReLU(0.2) → tanh → image in [-1, 1].

    With the default configuration these are the layers of Goodfellow et al. (2014) in the sizes of
    the source document: 559 632 parameters.
    """

    config_class = MLPGeneratorConfig
    config: MLPGeneratorConfig

    def __init__(self, config: MLPGeneratorConfig = MLPGeneratorConfig()) -> None:
        super().__init__(config)
        n_pixels = check_image_shape(config.image_shape)
        layers: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(pairwise((config.latent_dim, *config.hidden))):
            layers.append(nn.Linear(n_in, n_out))
            if config.batch_norm and i > 0:
                layers.append(nn.BatchNorm1d(n_out))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        last = (config.latent_dim, *config.hidden)[-1]
        layers.append(nn.Linear(last, n_pixels))
        if config.bounded:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B ..."]:
        """Generate one image from each latent vector."""
        check_latent(z, self.latent_dim)
        if self.config.batch_norm and self.training and len(z) == 1:
            raise ValueError(
                "batch normalisation has no variance to divide by in a batch of one: train with "
                "batches of at least 2, or call eval() to generate a single image"
            )
        return self.layers(z).unflatten(1, self.config.image_shape)


class MLPDiscriminator(Discriminator):
    """Image → hidden layers with LeakyReLU(0.2) → one logit.

    There is no sigmoid: the losses take logits, which is exact where a probability would round to
    0 or 1. 533 505 parameters with the default configuration.
    """

    config_class = MLPDiscriminatorConfig
    config: MLPDiscriminatorConfig

    def __init__(self, config: MLPDiscriminatorConfig = MLPDiscriminatorConfig()) -> None:
        super().__init__(config)
        n_pixels = check_image_shape(config.image_shape)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((n_pixels, *config.hidden)):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2, inplace=True)]
        last = (n_pixels, *config.hidden)[-1]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(last, 1))

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
        """Score each image with one logit, positive for "real"."""
        check_images(x, self.config.image_shape)
        return self.layers(x).squeeze(1)
