"""One change to the MNIST recipe at a time, at equal data: what helps and what does not.

    python benchmarks/gan_search.py                                  # the recipe as it is
    python benchmarks/gan_search.py training.batch_size=32 --seeds 0 1
    python benchmarks/gan_search.py generator.channels=96,48 loss=NON_SATURATING
    python benchmarks/gan_search.py --table                          # write the table again

Appends a line for each seed to ``benchmarks/results/gan_search.jsonl`` and writes all of them as a
table to ``gan_search.md``. Runs are compared at equal
data and not at equal time, so several may share a machine; images per second are recorded for
orientation alone. Needs MNIST itself.
"""

import dataclasses
from pathlib import Path

import torch
from searching import Entry, Search, grouped
from torch import Tensor

from aigc_tutorial import gan, zoo
from aigc_tutorial.data import mnist
from aigc_tutorial.evaluation import class_shares as shares_of
from aigc_tutorial.evaluation import feature_statistics, frechet_distance, kl_to_uniform, predict
from aigc_tutorial.gan.recipes import MNIST_CONV, Recipe
from aigc_tutorial.training import Engine

# Where the search began, in full.
START = dataclasses.replace(
    MNIST_CONV,
    generator_config=gan.ConvGeneratorConfig(latent_dim=64, channels=(64, 32)),
    discriminator_config=gan.ConvDiscriminatorConfig(channels=(32, 64, 128)),
    loss=gan.losses.RELATIVISTIC,
    training=gan.GANTrainingConfig(
        batch_size=32,
        learning_rate_generator=2e-3,
        learning_rate_discriminator=2e-3,
        learning_rate_kernels=0.0,
        betas=(0.5, 0.99),
        warmup_images=1_600,
        flat_until=0.5,
        final_learning_rate=0.02,
        r1_gamma=0.05,
        penalty_every=16,
        ema_half_life_images=11_000,
        ema_ramp_up=0.09,
    ),
)


def measure(recipe: Recipe, images: Tensor, n_images: int, seed: int, precision: str) -> Entry:
    """Train on ``n_images`` and compare 10,000 samples with the test digits."""
    engine = Engine(mixed_precision=precision)
    result = recipe.train(images, n_images=n_images, seed=seed, engine=engine, progress_bar=False)
    samples = result.generator.sample(10_000, rng=torch.Generator().manual_seed(1_000 + seed))
    prediction = predict(zoo.load("mnist-classifier"), samples)
    shares = shares_of(prediction.labels)
    reference = zoo.digit_reference().statistics
    return {
        "frechet": round(frechet_distance(feature_statistics(prediction.features), reference), 2),
        "kl_to_uniform": round(kl_to_uniform(shares), 4),
        "rarest_share": round(shares.min().item(), 4),
        "images_per_second": round(result.n_images / result.seconds),
    }


def table(entries: list[Entry]) -> str:
    """A row for each recipe that was tried: mean over seeds, then the single values."""
    lines = [
        "# Search for the MNIST recipe",
        "",
        "Written by `python benchmarks/gan_search.py`; not edited by hand. Digit-feature Fréchet",
        "distance of 10,000 samples from the test digits. A row names what differs from `START` in",
        "that script.",
        "",
        "| recipe | images | Fréchet, mean | each seed |",
        "|:--|--:|--:|:--|",
    ]
    for (name, n_images), mean, values in grouped(entries, ("recipe", "n_images"), "frechet"):
        each = ", ".join(f"{value:.1f}" for value in values)
        lines.append(f"| {name} | {n_images:,} | {mean:.1f} | {each} |")
    return "\n".join(lines) + "\n"


SEARCH = Search(
    results=Path(__file__).parent / "results" / "gan_search.jsonl",
    recipe=MNIST_CONV,
    start=START,
    parts={
        "generator": "generator_config",
        "discriminator": "discriminator_config",
        "training": "training",
    },
    losses={n: v for n, v in vars(gan.losses).items() if isinstance(v, gan.losses.AdversarialLoss)},
    unit="images",
    budget=40_000,
    load=lambda: mnist("train").images,
    measure=measure,
    table=table,
)

if __name__ == "__main__":
    SEARCH.main(__doc__.splitlines()[0])
