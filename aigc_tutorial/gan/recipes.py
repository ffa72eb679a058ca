"""Networks, loss and training that were found, by measurement, to belong together.

What was tried on the way and did not help is written down in ``benchmarks/README.md``.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.config import Config
from aigc_tutorial.gan.base import Discriminator, Generator
from aigc_tutorial.gan.convolutional import (
    ConvDiscriminator,
    ConvDiscriminatorConfig,
    ConvGenerator,
    ConvGeneratorConfig,
)
from aigc_tutorial.gan.losses import RELATIVISTIC, AdversarialLoss
from aigc_tutorial.gan.mlp import (
    MLPDiscriminator,
    MLPDiscriminatorConfig,
    MLPGenerator,
    MLPGeneratorConfig,
)
from aigc_tutorial.gan.trainer import GANTrainingConfig, GANTrainingResult, train
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import seeded_weights


@dataclass(frozen=True)
class Recipe(Config):
    """Everything that decides a training run but the data and the seed.

    Attributes:
        name: short, for tables and file names.
        generator_class: built from ``generator_config``.
        generator_config: its sizes.
        discriminator_class: built from ``discriminator_config``.
        discriminator_config: its sizes.
        loss: the game.
        training: how it is played; ``n_images`` is the default budget.
    """

    name: str
    generator_class: type[Generator]
    generator_config: Any
    discriminator_class: type[Discriminator]
    discriminator_config: Any
    loss: AdversarialLoss
    training: GANTrainingConfig

    def __post_init__(self) -> None:
        """Check that each network's configuration is one of its class.

        Raises:
            TypeError: if a setting has another type than its class needs.
        """
        super().__post_init__()
        self.require_instance("generator_config", self.generator_class.config_class)
        self.require_instance("discriminator_config", self.discriminator_class.config_class)

    def networks(self, *, seed: int = 0) -> tuple[Generator, Discriminator]:
        """Build both networks on torch's default device.

        The seed decides their weights, the same on every device, and touches no global state.
        """
        with seeded_weights(as_count(seed, "seed", at_least=0)):
            generator = self.generator_class(self.generator_config)
            discriminator = self.discriminator_class(self.discriminator_config)
        device = torch.get_default_device()
        return generator.to(device), discriminator.to(device)

    def train(
        self,
        rows: Float[Tensor, "N ..."],
        *,
        n_images: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> GANTrainingResult:
        """Build the networks and train them.

        Args:
            rows: all real data, images in [-1, 1]; networks with classes need ``labels`` too.
            n_images: budget in real images; by default the recipe's.
            seed: decides weights, order of the data and latents.
            **options: see :func:`aigc_tutorial.gan.train`.

        Raises:
            TypeError: if an option is what the recipe decides.
        """
        if decided := {"config", "loss"} & options.keys():
            raise TypeError(
                f"a recipe has its own {' and '.join(sorted(decided))}; make another one: "
                "dataclasses.replace(recipe, training=GANTrainingConfig(...), loss=...)"
            )
        generator, discriminator = self.networks(seed=seed)
        config = self.training
        if n_images is not None:
            config = dataclasses.replace(config, n_images=n_images)
        return train(
            generator, discriminator, rows, loss=self.loss, config=config, seed=seed, **options
        )


MNIST_CONV = Recipe(
    name="mnist-conv-gan",
    generator_class=ConvGenerator,
    generator_config=ConvGeneratorConfig(),
    discriminator_class=ConvDiscriminator,
    discriminator_config=ConvDiscriminatorConfig(),
    loss=RELATIVISTIC,
    training=GANTrainingConfig(),
)
"""The default for MNIST, which gives clean digits within two minutes on two CPU cores."""

MNIST_CONDITIONAL = Recipe(
    name="mnist-conditional-gan",
    generator_class=ConvGenerator,
    generator_config=ConvGeneratorConfig(n_classes=10),
    discriminator_class=ConvDiscriminator,
    discriminator_config=ConvDiscriminatorConfig(n_classes=10),
    loss=RELATIVISTIC,
    training=GANTrainingConfig(),
)
"""The same for MNIST with its labels: both networks are told which digit it is about."""

MNIST_GROUPED = Recipe(
    name="mnist-mixture-gan",
    generator_class=ConvGenerator,
    generator_config=ConvGeneratorConfig(n_classes=100),
    discriminator_class=ConvDiscriminator,
    discriminator_config=ConvDiscriminatorConfig(n_classes=100),
    loss=RELATIVISTIC,
    training=GANTrainingConfig(r2_gamma=0.3),
)
"""For MNIST in a hundred groups that :func:`~aigc_tutorial.gan.pixel_groups` finds without labels.

:func:`~aigc_tutorial.gan.mixture` makes a generator of it that need not be told a group.
"""

MNIST_MLP = Recipe(
    name="mnist-mlp-gan",
    generator_class=MLPGenerator,
    generator_config=MLPGeneratorConfig(),
    discriminator_class=MLPDiscriminator,
    discriminator_config=MLPDiscriminatorConfig(),
    loss=RELATIVISTIC,
    training=GANTrainingConfig(
        n_images=300_000,
        batch_size=32,
        learning_rate_generator=2e-3,
        learning_rate_discriminator=1e-3,
        r1_gamma=2.0,
        ema_half_life_images=11_000,
    ),
)
"""The fully connected pair of the source document, in a game that does not collapse."""
