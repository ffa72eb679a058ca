"""Training of the zoo's digit generators."""

import dataclasses
from pathlib import Path

import torch

from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.evaluation import evaluate_digits
from aigc_tutorial.gan.recipes import Recipe
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import digit_reference, load, rounded
from aigc_tutorial.zoo.training.making import MNIST_SOURCE, RUNS, Run, real_mnist, write_entry

N_SAMPLES = 10_000
SAMPLE_SEED = 2026
CHECKPOINT_EVERY = 100_000


def train_gan(recipe: Recipe, title: str, n_images: int, seed: int, folder: Path) -> Path:
    """Train a recipe's GAN on all of MNIST, measure its generator and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        recipe: Networks, loss and training; its name is the entry's.
        title: One line that says what the model is.
        n_images: Budget in real images.
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    train, _ = real_mnist()
    engine = Engine(mixed_precision=fast_precision())
    result = recipe.train(
        train.images,
        n_images=n_images,
        seed=seed,
        engine=engine,
        checkpoint_folder=RUNS / f"{recipe.name}-{n_images}-{seed}",
        checkpoint_every=CHECKPOINT_EVERY,
    )
    generator = rounded(result.generator.cpu())
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    samples = generator.sample(N_SAMPLES, rng=rng)
    report = evaluate_digits(samples, load("mnist-classifier"), digit_reference())
    protocol = (
        f"{N_SAMPLES:,} samples of torch seed {SAMPLE_SEED} against MNIST's 10,000 test digits, "
        "in the 64 features of the zoo's mnist-classifier"
    )
    values = {
        "frechet": report.frechet,
        "kernel": report.kernel.mean,
        "precision": report.precision,
        "recall": report.recall,
        "kl_to_uniform": report.kl_to_uniform,
        "rarest_share": min(report.class_shares),
    }
    run = Run(
        recipe={
            "generator": dataclasses.asdict(recipe.generator_config),
            "discriminator": dataclasses.asdict(recipe.discriminator_config),
            "loss": recipe.loss.name,
            "mixed_precision": fast_precision(),
            "training": dataclasses.asdict(recipe.training) | {"n_images": n_images},
        },
        seed=seed,
        n_seen=result.n_images,
        unit="images",
        seconds=result.seconds,
        device=engine.device.type,
    )
    return write_entry(
        recipe.name,
        generator,
        run,
        title=title,
        data=f"MNIST, {len(train):,} training images in [-1, 1]",
        data_source=MNIST_SOURCE,
        metrics={name: Metric(round(v, 4), N_SAMPLES, protocol) for name, v in values.items()},
        notes="Draws digits of 28 × 28 pixels in [-1, 1], all ten classes mixed. Trained for "
        "teaching; it knows no other images.",
        folder=folder,
    )
