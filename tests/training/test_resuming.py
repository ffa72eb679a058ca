"""A resumed run ends with the same bits: every recipe, every kind of model, every precision."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aigc_tutorial import ar, gan
from aigc_tutorial.ar import recipes as ar_recipes
from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.trainer import ARTrainingConfig
from aigc_tutorial.gan import recipes as gan_recipes
from tests.ar import small_models
from tests.training.interrupted import InterruptedEngine

N_CLASSES = 3
IMAGES = torch.rand(48, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
TOKENS = torch.randint(small_models.V, (200,), generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(48) % N_CLASSES
LEVELS = (IMAGES[:, 0] > 0).long()

SMALL_NETWORKS = {
    gan.ConvGenerator: gan.ConvGeneratorConfig(4, (1, 8, 8), channels=(8, 4)),
    gan.ConvDiscriminator: gan.ConvDiscriminatorConfig((1, 8, 8), (4, 6, 8)),
    gan.MLPGenerator: gan.MLPGeneratorConfig(4, (1, 8, 8), hidden=(8,)),
    gan.MLPDiscriminator: gan.MLPDiscriminatorConfig((1, 8, 8), hidden=(8,)),
}
AR_CONFIG = ARTrainingConfig(n_tokens=240, batch_size=4, context=5, warmup_tokens=40)

Outcome = tuple[dict[str, torch.Tensor], list[dict[str, float]]]


def assert_resumes(
    train: Callable[[Path, InterruptedEngine], Outcome], tmp_path: Path, **options: str
) -> None:
    """One run uncut; another stopped between checkpoints and begun again."""
    whole, history = train(tmp_path / "whole", InterruptedEngine(10**9, **options))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", InterruptedEngine(9, **options))
    parts, history_of_parts = train(tmp_path / "parts", InterruptedEngine(10**9, **options))
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), f"{name} differs after the resumption"
    assert history == history_of_parts


def gan_training(recipe: gan_recipes.Recipe) -> Callable[[Path, InterruptedEngine], Outcome]:
    def train(folder: Path, engine: InterruptedEngine) -> Outcome:
        generator, discriminator = recipe.networks()
        result = gan.train(
            generator, discriminator, IMAGES, None if generator.n_classes is None else LABELS,
            loss=recipe.loss, config=recipe.training, seed=3,
            checkpoint_folder=folder, checkpoint_every=24, progress_bar=False, engine=engine,
        )  # fmt: skip
        networks = (result.generator, result.raw_generator, result.discriminator)
        weights = {
            f"{i} {name}": tensor
            for i, network in enumerate(networks)
            for name, tensor in network.state_dict().items()
        }
        return weights, list(result.history.rows())

    return train


def small_gan(recipe: gan_recipes.Recipe, **changes: Any) -> gan_recipes.Recipe:
    training = dataclasses.replace(
        recipe.training, n_images=80, batch_size=8, warmup_images=8, penalty_every=2, **changes
    )
    sizes: list[Any] = [
        SMALL_NETWORKS[recipe.generator_class],
        SMALL_NETWORKS[recipe.discriminator_class],
    ]
    if getattr(recipe.generator_config, "n_classes", None) is not None:
        sizes = [dataclasses.replace(size, n_classes=N_CLASSES) for size in sizes]
    return dataclasses.replace(
        recipe, generator_config=sizes[0], discriminator_config=sizes[1], training=training
    )


GAN_RECIPES = [r for r in vars(gan_recipes).values() if isinstance(r, gan_recipes.Recipe)]


@pytest.mark.parametrize("recipe", GAN_RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_of_a_gan(recipe, tmp_path):
    assert_resumes(gan_training(small_gan(recipe)), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate_kernels": 0.0},  # Adam moves the kernels, which lie in channels_last
        {"learning_rate_kernels": 0.0, "gradient_penalty": 10.0, "n_discriminator_updates": 2},
        {"r2_gamma": 0.5, "ema_every": 3, "betas": (0.5, 0.9)},
    ],
    ids=["adam", "wgan-gp", "r2"],
)
def test_other_ways_to_train_a_convolutional_gan(changes, tmp_path):
    assert_resumes(gan_training(small_gan(gan_recipes.MNIST_CONV, **changes)), tmp_path)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precisions(precision, tmp_path):
    recipe = small_gan(gan_recipes.MNIST_CONV)
    assert_resumes(gan_training(recipe), tmp_path, mixed_precision=precision)


@pytest.mark.parametrize("adversarial_weight", [0.0, 0.1])
def test_vqgan(adversarial_weight, tmp_path):
    config = gan.VQGANTrainingConfig(
        n_images=80,
        batch_size=8,
        warmup_images=8,
        penalty_every=2,
        adversarial_weight=adversarial_weight,
    )

    small_discriminator = SMALL_NETWORKS[gan.ConvDiscriminator]
    assert isinstance(small_discriminator, gan.ConvDiscriminatorConfig)

    def train(folder: Path, engine: InterruptedEngine) -> Outcome:
        torch.manual_seed(0)
        sizes = gan.VQAutoencoderConfig((1, 8, 8), channels=(4, 6), n_codes=5, code_dim=3)
        discriminator = gan.ConvDiscriminator(small_discriminator)
        result = gan.train_vqgan(
            gan.VQAutoencoder(sizes), discriminator, IMAGES, config=config, seed=3,
            checkpoint_folder=folder, checkpoint_every=24, progress_bar=False, engine=engine,
        )  # fmt: skip
        weights = result.autoencoder.state_dict() | {
            f"discriminator {name}": t for name, t in result.discriminator.state_dict().items()
        }
        return weights, list(result.history.rows())

    assert_resumes(train, tmp_path)


def ar_training(
    make: Callable[[], Any], data: Any, config: ARTrainingConfig
) -> Callable[[Path, InterruptedEngine], Outcome]:
    def train(folder: Path, engine: InterruptedEngine) -> Outcome:
        result = ar.train(
            make(), data, config=config, seed=3, checkpoint_folder=folder,
            checkpoint_every=config.n_tokens // 6, progress_bar=False, engine=engine,
        )  # fmt: skip
        weights = {f"average {n}": t for n, t in result.model.state_dict().items()}
        weights |= {f"last {n}": t for n, t in result.raw_model.state_dict().items()}
        return weights, list(result.history.rows())

    return train


TRAINABLE = [name for name in small_models.NAMES if name != "n-gram"]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("name", TRAINABLE)
def test_every_model_of_text(name, optimizer, tmp_path):
    config = dataclasses.replace(AR_CONFIG, optimizer=optimizer, ema_half_life=60.0)
    assert_resumes(ar_training(lambda: small_models.make(name), TOKENS, config), tmp_path)


AR_RECIPES = [r for r in vars(ar_recipes).values() if isinstance(r, ar_recipes.Recipe)]


@pytest.mark.parametrize("recipe", AR_RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_of_text(recipe, tmp_path):
    small = {"vocab_size": small_models.V, "context": 6, "n_layers": 1, "n_heads": 2, "width": 8}
    recipe = dataclasses.replace(
        recipe, model_config=dataclasses.replace(recipe.model_config, **small)
    )
    config = dataclasses.replace(recipe.training, n_tokens=240, batch_size=4, context=5)
    assert_resumes(ar_training(recipe.model, TOKENS, config), tmp_path)


@pytest.mark.parametrize(
    ("optimizer", "memory_format"),
    [
        ("muon", torch.contiguous_format),
        ("adamw", torch.contiguous_format),
        ("muon", torch.channels_last),
        ("adamw", torch.channels_last),
    ],
)
def test_a_pixelcnn(optimizer, memory_format, tmp_path):
    def make() -> PixelCNN:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return PixelCNN(
                PixelCNNConfig((8, 8), n_levels=2, width=4, n_layers=1, first_kernel_size=3)
            ).to(memory_format=memory_format)  # type: ignore[call-overload]

    config = dataclasses.replace(
        AR_CONFIG, optimizer=optimizer, n_tokens=40 * 64, warmup_tokens=4 * 64, ema_half_life=512.0
    )
    assert_resumes(ar_training(make, LEVELS, config), tmp_path)
