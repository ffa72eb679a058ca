"""Training of the zoo's digit generators."""

import dataclasses
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.data import ImageDataset
from aigc_tutorial.evaluation import class_report, evaluate_digits
from aigc_tutorial.gan import GANTrainingResult
from aigc_tutorial.gan.recipes import Recipe
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import digit_reference, load, rounded
from aigc_tutorial.zoo.training.making import MNIST_SOURCE, RUNS, Run, real_mnist, write_entry

N_SAMPLES = 10_000
SAMPLE_SEED = 2026
CHECKPOINT_EVERY = 10_000

# On a large GPU: images in a step for one on a CPU, and images in all.
_FACTOR, _N_IMAGES = 8, 12_000_000


def train_gan(
    recipe: Recipe, title: str, n_images: int, seed: int, folder: Path, *, is_large: bool = False
) -> Path:
    """Train a recipe's GAN on all of MNIST, measure its generator and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        recipe: Networks, loss and training; its name is the entry's.
        title: One line that says what the model is.
        n_images: Budget in real images.
        seed: Seed of the training.
        folder: Folder of the zoo.
        is_large: Train :func:`for_a_large_gpu` instead.

    Returns:
        The entry's folder.
    """
    train, _ = real_mnist()
    training = dataclasses.replace(recipe.training, n_images=n_images)
    recipe = dataclasses.replace(recipe, training=training)
    if is_large:
        recipe = for_a_large_gpu(recipe)
    n_images = recipe.training.n_images
    engine = Engine(mixed_precision="bf16" if is_large else fast_precision())
    has_classes = getattr(recipe.generator_config, "n_classes", None) is not None
    result = recipe.train(
        train.images,
        labels=train.labels if has_classes else None,
        seed=seed,
        engine=engine,
        checkpoint_folder=RUNS / f"{recipe.name}-{n_images}-{seed}",
        checkpoint_every=max(CHECKPOINT_EVERY, n_images // 50),
    )
    generator = rounded(result.generator.cpu())
    labels = torch.arange(N_SAMPLES) % 10 if has_classes else None
    samples = generator.sample(N_SAMPLES, labels, rng=torch.Generator().manual_seed(SAMPLE_SEED))
    metrics = quality(samples, labels)
    if labels is not None:
        metrics |= of_classes(samples, labels) | of_real_classes(train)
    return write_entry(
        recipe.name,
        generator,
        run_of(recipe, result, seed, engine, is_large=is_large),
        title=title,
        data=f"MNIST, {len(train):,} training images in [-1, 1]"
        + (", with their labels" if has_classes else ""),
        data_source=MNIST_SOURCE,
        metrics=metrics,
        notes="Draws digits of 28 × 28 pixels in [-1, 1], "
        + ("of the class that is asked for. " if has_classes else "all ten classes mixed. ")
        + "Trained for teaching; it knows no other images.",
        folder=folder,
    )


def run_of(
    recipe: Recipe, result: GANTrainingResult, seed: int, engine: Engine, *, is_large: bool
) -> Run:
    """What a card says of a GAN's training: recipe, budget, time and device."""
    return Run(
        recipe={
            "generator": dataclasses.asdict(recipe.generator_config),
            "discriminator": dataclasses.asdict(recipe.discriminator_config),
            "loss": recipe.loss.name,
            "mixed_precision": engine.mixed_precision,
            "training": dataclasses.asdict(recipe.training),
        },
        seed=seed,
        n_seen=result.n_images,
        unit="images",
        seconds=result.seconds,
        device=engine.device.type,
        options="--large" if is_large else "",
    )


def for_a_large_gpu(recipe: Recipe) -> Recipe:
    """A recipe with twice the feature maps, eight times the images in a step, and many steps.

    The rates stay as they are: only the noise of a step falls. What is counted in images, the
    warm-up and the average's half-life, grows with the batch.
    """
    training = recipe.training
    generator, discriminator = (
        dataclasses.replace(config, channels=tuple(2 * n for n in config.channels))
        if hasattr(config, "channels")
        else config
        for config in (recipe.generator_config, recipe.discriminator_config)
    )
    return dataclasses.replace(
        recipe,
        generator_config=generator,
        discriminator_config=discriminator,
        training=dataclasses.replace(
            training,
            n_images=_N_IMAGES,
            batch_size=_FACTOR * training.batch_size,
            warmup_images=_FACTOR * training.warmup_images,
            ema_half_life_images=_FACTOR * training.ema_half_life_images,
        ),
    )


def quality(
    samples: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"] | None
) -> dict[str, Metric]:
    """How near samples are to real digits, all classes together."""
    report = evaluate_digits(samples, load("mnist-classifier"), digit_reference())
    values = {
        "frechet": report.frechet,
        "kernel": report.kernel.mean,
        "precision": report.precision,
        "recall": report.recall,
        "kl_to_uniform": report.kl_to_uniform,
        "rarest_share": min(report.class_shares),
    }
    protocol = _protocol(len(samples), labels)
    return {name: Metric(round(v, 4), len(samples), protocol) for name, v in values.items()}


def of_classes(samples: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"]) -> dict[str, Metric]:
    """Whether samples are of the classes asked for, and how near to real digits of these."""
    report = class_report(samples, labels, load("mnist-classifier"), digit_reference())
    protocol, n = _protocol(len(samples), labels), len(samples)
    return {
        "class_agreement": Metric(
            round(report.agreement, 4),
            n,
            f"{protocol}; share that the classifier names as what was asked for",
        ),
        "frechet_within_classes": Metric(
            round(report.frechet, 4),
            n,
            f"{protocol}; mean over the classes of the distance within each",
        ),
    }


def of_real_classes(train: ImageDataset) -> dict[str, Metric]:
    """The distance within classes of real digits, as many of each class as are drawn."""
    n = N_SAMPLES // 10
    chosen = torch.cat([(train.labels == c).nonzero()[:n, 0] for c in range(10)])
    report = class_report(
        train.images[chosen], train.labels[chosen], load("mnist-classifier"), digit_reference()
    )
    return {
        "frechet_within_classes_real": Metric(
            round(report.frechet, 4),
            len(chosen),
            f"the first {n:,} training digits of each class in place of samples: what a perfect "
            "model would reach",
        )
    }


def _protocol(n: int, labels: Tensor | None) -> str:
    return (
        f"{n:,} samples of torch seed {SAMPLE_SEED}"
        + (", the classes asked for in turn," if labels is not None else "")
        + " against MNIST's 10,000 test digits, in the 64 features of the zoo's mnist-classifier"
    )
