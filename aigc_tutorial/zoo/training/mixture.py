"""Training of the zoo's generator of digits that finds classes of its own, without labels."""

import dataclasses
from pathlib import Path

import torch

from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.gan import ConvGenerator, mixture, pixel_groups
from aigc_tutorial.gan.recipes import MNIST_GROUPED
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.entries import rounded
from aigc_tutorial.zoo.training.gan import (
    N_SAMPLES,
    SAMPLE_SEED,
    for_a_large_gpu,
    quality,
    run_of,
)
from aigc_tutorial.zoo.training.making import MNIST_SOURCE, RUNS, real_mnist, write_entry

RECIPE = dataclasses.replace(
    MNIST_GROUPED, training=dataclasses.replace(MNIST_GROUPED.training, n_images=1_500_000)
)
CHECKPOINT_EVERY = 30_000
N_ROUNDS = 4


def train_mixture(seed: int, folder: Path, *, is_large: bool = False) -> Path:
    """Find groups in MNIST, train a GAN on them, measure its generator and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        seed: Seed of the groups and of the training.
        folder: Folder of the zoo.
        is_large: Train :func:`for_a_large_gpu` instead.

    Returns:
        The entry's folder.
    """
    train, _ = real_mnist()
    recipe = for_a_large_gpu(RECIPE) if is_large else RECIPE
    engine = Engine(mixed_precision="bf16" if is_large else fast_precision())
    groups = pixel_groups(
        train.images,
        recipe.generator_config.n_classes,
        seed=seed,
        straighten=True,
        n_rounds=N_ROUNDS,
    )
    result = recipe.train(
        train.images,
        labels=groups,
        seed=seed,
        engine=engine,
        checkpoint_folder=RUNS / f"{recipe.name}-{recipe.training.n_images}-{seed}",
        checkpoint_every=max(CHECKPOINT_EVERY, recipe.training.n_images // 50),
    )
    conditional = result.generator.cpu()
    assert isinstance(conditional, ConvGenerator)
    generator = rounded(mixture(conditional, groups))
    samples = generator.sample(N_SAMPLES, rng=torch.Generator().manual_seed(SAMPLE_SEED))
    return write_entry(
        recipe.name,
        generator,
        run_of(recipe, result, seed, engine, is_large=is_large),
        title="Draws handwritten digits: the GAN that found classes by itself",
        data=f"MNIST, {len(train):,} training images in [-1, 1], without their labels, in "
        f"{recipe.generator_config.n_classes} groups by k-means of their pixels, "
        "straightened and drawn together",
        data_source=MNIST_SOURCE,
        metrics=quality(samples, None),
        notes="Draws digits of 28 × 28 pixels in [-1, 1], all ten classes mixed. The first "
        "component of the latent decides the group, so a walk along it jumps.",
        folder=folder,
    )
