"""Convolutional generator and discriminator, sized for MNIST and two CPU cores."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
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
from aigc_tutorial.integers import as_labels


@dataclass(frozen=True)
class ConvGeneratorConfig(Config):
    """Configuration of :class:`ConvGenerator`.

    Attributes:
        latent_dim: Z, size of the latent vector.
        image_shape: (C, H, W) of one image; H and W are multiples of 4.
        channels: feature maps at a quarter of the size and at half of it.
        n_classes: how many classes there are if it is asked for one of them, else None.
        class_scale: factor of a class's vector beside the latent. Where the two are of one size,
            training ends with nearly one image a class; where the factor is far smaller, other
            classes are drawn more often (``benchmarks/conditional.py`` has five factors).
    """

    latent_dim: int = 64
    image_shape: tuple[int, ...] = (1, 28, 28)
    channels: tuple[int, int] = (64, 32)
    n_classes: int | None = None
    class_scale: float = 0.05

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("latent_dim", "channels", "n_classes", at_least=1)
        self.require("class_scale", above=0)


@dataclass(frozen=True)
class ConvDiscriminatorConfig(Config):
    """Configuration of :class:`ConvDiscriminator`.

    Attributes:
        image_shape: (C, H, W) of one image; H and W are multiples of 4.
        channels: feature maps after each of three convolutions with stride 2.
        spectral_norm: bound the Lipschitz constant of every layer (Miyato et al., 2018).
        n_classes: how many classes there are if it is told each image's class, else None.
    """

    image_shape: tuple[int, ...] = (1, 28, 28)
    channels: tuple[int, int, int] = (32, 64, 128)
    spectral_norm: bool = False
    n_classes: int | None = None

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("channels", "n_classes", at_least=1)


class ConvGenerator(Generator):
    """z → 7 x 7 features → pixel shuffle to 14 x 14 → pixel shuffle to 28 x 28.

    A pixel shuffle (Shi et al., 2016, arXiv 1609.05158) turns four feature maps into one of twice
    the height and width. The convolution before it works at the small size, which
    keeps the generator cheap on a CPU.

    With classes, a learned vector as long as the latent is joined to it: one for each class, and
    small beside the latent.
    """

    config_class = ConvGeneratorConfig
    config: ConvGeneratorConfig

    def __init__(self, config: ConvGeneratorConfig = ConvGeneratorConfig()) -> None:
        super().__init__(config)
        _check_multiple_of_4(config.image_shape)
        n_channels, height, width = config.image_shape
        wide, narrow = config.channels
        quarter = (wide, height // 4, width // 4)
        n_inputs = config.latent_dim
        if config.n_classes is not None:
            self.class_embedding = nn.Embedding(config.n_classes, config.latent_dim)
            n_inputs += config.latent_dim
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, wide * quarter[1] * quarter[2]),
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

    def forward(
        self, z: Float[Tensor, "B Z"], labels: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Generate one image from each latent vector, of its class if there are classes."""
        check_latent(z, self.latent_dim)
        classes = as_labels(labels, self.n_classes, batch_size=z.shape[0], look=False)
        if classes is not None:
            of_class = self.config.class_scale * self.class_embedding(classes)
            z = torch.cat([z, of_class], dim=1)
        return self.layers(z)


class ConvDiscriminator(Discriminator):
    r"""Three convolutions with stride 2 and LeakyReLU(0.2), then one logit.

    With classes, the features h(x) before the last layer are projected on a learned vector of the
    class (Miyato & Koyama, 2018, arXiv 1802.05637), so that each class has a last layer of its own:

    .. math:: a(x \mid c) = \langle w + e_c, h(x) \rangle + b
    """

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
        if config.n_classes is not None:
            self.class_embedding = nn.Embedding(config.n_classes, n_features)
            nn.init.normal_(self.class_embedding.weight, std=0.02)
        self.apply(_initialise)
        self.to(memory_format=torch.channels_last)
        if config.spectral_norm:
            for layer in list(self.modules()):  # a list, since this makes new modules
                if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
                    spectral_norm(layer)

    def forward(
        self, x: Float[Tensor, "B C H W"], labels: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, " B"]:
        """Score each image with one logit, positive for "real", and of its class if it has one."""
        check_images(x, self.config.image_shape)
        classes = as_labels(labels, self.n_classes, batch_size=x.shape[0], look=False)
        *body, last = self.layers
        features = x.contiguous(memory_format=torch.channels_last)
        for layer in body:
            features = layer(features)
        logits = last(features).squeeze(1)
        if classes is None:
            return logits
        return logits + (self.class_embedding(classes) * features).sum(dim=1)


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
