"""Generative adversarial networks: networks, losses, penalties, training."""

from aigc_tutorial.gan import latent, losses, penalties, recipes
from aigc_tutorial.gan.base import Discriminator, Generator
from aigc_tutorial.gan.convolutional import (
    ConvDiscriminator,
    ConvDiscriminatorConfig,
    ConvGenerator,
    ConvGeneratorConfig,
)
from aigc_tutorial.gan.copies import (
    MLPDiscriminatorCopies,
    MLPDiscriminatorCopiesConfig,
    MLPGeneratorCopies,
    MLPGeneratorCopiesConfig,
    copies_trainer,
    join_copies,
    split_copies,
)
from aigc_tutorial.gan.dirac import DiracGAN
from aigc_tutorial.gan.groups import pixel_groups, straightened
from aigc_tutorial.gan.mixtures import MixtureGenerator, MixtureGeneratorConfig, mixture
from aigc_tutorial.gan.mlp import (
    MLPDiscriminator,
    MLPDiscriminatorConfig,
    MLPGenerator,
    MLPGeneratorConfig,
)
from aigc_tutorial.gan.trainer import GANTrainer, GANTrainingConfig, GANTrainingResult, train
from aigc_tutorial.gan.validation import digit_distance
from aigc_tutorial.gan.vqgan import (
    Reconstruction,
    VQAutoencoder,
    VQAutoencoderConfig,
    VQGANTrainer,
    VQGANTrainingConfig,
    VQGANTrainingResult,
    train_vqgan,
)

__all__ = [
    "ConvDiscriminator",
    "ConvDiscriminatorConfig",
    "ConvGenerator",
    "ConvGeneratorConfig",
    "DiracGAN",
    "Discriminator",
    "GANTrainer",
    "GANTrainingConfig",
    "GANTrainingResult",
    "Generator",
    "MLPDiscriminator",
    "MLPDiscriminatorConfig",
    "MLPDiscriminatorCopies",
    "MLPDiscriminatorCopiesConfig",
    "MLPGenerator",
    "MLPGeneratorConfig",
    "MLPGeneratorCopies",
    "MLPGeneratorCopiesConfig",
    "MixtureGenerator",
    "MixtureGeneratorConfig",
    "Reconstruction",
    "VQAutoencoder",
    "VQAutoencoderConfig",
    "VQGANTrainer",
    "VQGANTrainingConfig",
    "VQGANTrainingResult",
    "copies_trainer",
    "digit_distance",
    "join_copies",
    "latent",
    "losses",
    "mixture",
    "penalties",
    "pixel_groups",
    "recipes",
    "split_copies",
    "straightened",
    "train",
    "train_vqgan",
]
