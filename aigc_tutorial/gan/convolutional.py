"""Convolutional generator and discriminator, sized for MNIST and two CPU cores."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aigc_tutorial.config import Config
from aigc_tutorial.gan.base import (
    Discriminator,
    Generator,
    check_image_shape,
    check_images,
    check_latent,
)


@dataclass(frozen=True)
class ConvGeneratorConfig(Config):
    """Configuration of :class:`ConvGenerator`.

    Attributes:
        latent_dim: Z, size of the latent vector.
        image_shape: (C, H, W) of one image; H and W are multiples of 4.
        channels: feature maps at a quarter of the size and at half of it.
    """

    latent_dim: int = 64
    image_shape: tuple[int, ...] = (1, 28, 28)
    channels: tuple[int, int] = (64, 32)

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("latent_dim", "channels", at_least=1)


@dataclass(frozen=True)
class ConvDiscriminatorConfig(Config):
    """Configuration of :class:`ConvDiscriminator`.

    Attributes:
        image_shape: (C, H, W) of one image; H and W are multiples of 4.
        channels: feature maps after each of three convolutions with stride 2.
        spectral_norm: bound the Lipschitz constant of every layer (Miyato et al., 2018).
    """

    image_shape: tuple[int, ...] = (1, 28, 28)
    channels: tuple[int, int, int] = (32, 64, 128)
    spectral_norm: bool = False

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("channels", at_least=1)


class ConvGenerator(Generator):
    """z → 7 x 7 features → pixel shuffle to 14 x 14 → pixel shuffle to 28 x 28.

    A pixel shuffle (Shi et al., 2016, arXiv 1609.05158) turns four feature maps into one of twice
    the height and width. The convolution before it works at the small size, which
    keeps the generator cheap on a CPU.
    """

    config_class = ConvGeneratorConfig
    config: ConvGeneratorConfig

    def __init__(self, config: ConvGeneratorConfig = ConvGeneratorConfig()) -> None:
        super().__init__(config)
        _check_multiple_of_4(config.image_shape)
        n_channels, height, width = config.image_shape
        wide, narrow = config.channels
        quarter = (wide, height // 4, width // 4)
        self.layers = nn.Sequential(
            nn.Linear(config.latent_dim, wide * quarter[1] * quarter[2]),
            nn.Unflatten(1, quarter),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, 4 * narrow, 3, padding=1),
            nn.PixelShuffle(2),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, 4 * n_channels, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )
        self.apply(_initialise)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B C H W"]:
        """Generate one image from each latent vector."""
        check_latent(z, self.latent_dim)
        return self.layers(z)


class ConvDiscriminator(Discriminator):
    """Three convolutions with stride 2 and LeakyReLU(0.2), then one logit."""

    config_class = ConvDiscriminatorConfig
    config: ConvDiscriminatorConfig

    def __init__(self, config: ConvDiscriminatorConfig = ConvDiscriminatorConfig()) -> None:
        super().__init__(config)
        _check_multiple_of_4(config.image_shape)
        n_channels, height, width = config.image_shape
        first, second, third = config.channels
        # 28 → 14 → 7 → 4; the last convolution rounds up.
        n_features = third * ((height // 4 + 1) // 2) * ((width // 4 + 1) // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(n_channels, first, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(first, second, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(),
            nn.Linear(n_features, 1),
        )
        self.apply(_initialise)
        self.to(memory_format=torch.channels_last)
        if config.spectral_norm:
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    spectral_norm(layer)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
        """Score each image with one logit, positive for "real"."""
        check_images(x, self.config.image_shape)
        return self.layers(x.contiguous(memory_format=torch.channels_last)).squeeze(1)


def _check_multiple_of_4(image_shape: tuple[int, ...]) -> None:
    check_image_shape(image_shape)
    if len(image_shape) != 3 or image_shape[1] % 4 or image_shape[2] % 4:
        raise ValueError(
            "image_shape must be (channels, height, width) with height and width multiples of 4, "
            f"got {image_shape}; pad the images"
        )


def _initialise(layer: nn.Module) -> None:
    """Draw convolution weights from N(0, 0.02²), as DCGAN does (Radford et al., 2016).

    A convolution that sees a single channel sums over few inputs and gets 0.05 instead.
    """
    if isinstance(layer, nn.Conv2d):
        nn.init.normal_(layer.weight, std=0.05 if layer.in_channels == 1 else 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
