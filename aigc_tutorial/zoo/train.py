"""Train the models of the zoo again: ``python -m aigc_tutorial.zoo.train mnist-classifier``.

The weights that come with the package were written by these functions. MNIST itself is needed: on
the 5,000 digits that stand in for it offline the training stops with an error.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from aigc_tutorial.data import ImageDataset, mnist
from aigc_tutorial.environment import require
from aigc_tutorial.evaluation import (
    ClassifierTrainingConfig,
    DigitClassifier,
    DigitReference,
    accuracy,
    feature_statistics,
    frechet_distance,
    predict,
    train_classifier,
)
from aigc_tutorial.nn import count_parameters
from aigc_tutorial.zoo.card import Card, Machine, Metric
from aigc_tutorial.zoo.entries import (
    MODELS,
    REFERENCE_NAME,
    WEIGHTS_FOLDER,
    names,
    rounded,
    save_entry,
)


def real_mnist() -> tuple[ImageDataset, ImageDataset]:
    """MNIST's 60,000 training and 10,000 test digits, and nothing less.

    Raises:
        ValueError: If only the digits that stand in for MNIST are at hand.
    """
    train, test = mnist("train"), mnist("test")
    if (len(train), len(test)) != (60_000, 10_000):
        raise ValueError(
            f"The zoo is trained on MNIST's 60,000 digits and measured on its 10,000 test digits, "
            f"got {len(train):,} and {len(test):,} from {train.source.location}. Set "
            "AIGC_TUTORIAL_DATA to a folder that holds MNIST/raw, or allow the download."
        )
    return train, test


def make_card(
    name: str,
    *,
    title: str,
    n_parameters: int,
    dataset: ImageDataset,
    recipe: dict[str, Any],
    seed: int,
    n_images: int,
    seconds: float,
    metrics: dict[str, Metric],
    device: str = "cpu",
    notes: str = "",
) -> Card:
    """Fill in what all cards of models trained on MNIST have in common.

    Args:
        name: Name in the zoo.
        title: One line that says what the model is.
        n_parameters: Number of trainable scalars.
        dataset: What it was trained on.
        recipe: Settings of the training, as built-in types.
        seed: Seed of the training.
        n_images: Training images shown.
        seconds: Duration of the training.
        metrics: What was measured on the rounded weights.
        device: What it was trained on.
        notes: Limits and intended use.
    """
    return Card(
        name=name,
        title=title,
        model=MODELS[name].__name__,
        n_parameters=n_parameters,
        data=f"MNIST, {len(dataset):,} training images in [-1, 1]",
        data_source="MNIST/raw/train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz "
        "(SHA-256 in aigc_tutorial.data.catalogue)",
        command=f"python -m aigc_tutorial.zoo.train {name} --seed {seed}",
        recipe=recipe,
        seed=seed,
        n_images=n_images,
        seconds=round(seconds, 1),
        machine=Machine.here(device),
        metrics=metrics,
        notes=notes,
    )


def train_mnist_classifier(seed: int, folder: Path) -> Path:
    """Train the digit classifier and measure its feature space.

    Beside its accuracy, the card says how far some sets of known quality are from the test digits,
    so that a distance of a generated set can be read.

    Args:
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    train, test = real_mnist()
    config = ClassifierTrainingConfig()
    start = time.perf_counter()
    with tqdm(total=config.n_images, unit="image", unit_scale=True, desc="classifier") as bar:

        def on_step(n_images: int, loss: float) -> None:
            bar.update(n_images - bar.n)
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

        trained = train_classifier(
            train.images, train.labels, seed=seed, config=config, on_step=on_step
        )
    seconds = time.perf_counter() - start
    return save_mnist_classifier(trained, train, test, config, seed, seconds, folder)


def save_mnist_classifier(
    trained: DigitClassifier,
    train: ImageDataset,
    test: ImageDataset,
    config: ClassifierTrainingConfig,
    seed: int,
    seconds: float,
    folder: Path,
) -> Path:
    """Measure a trained classifier and write it with its reference and card.

    Args:
        trained: The classifier.
        train: MNIST's training digits.
        test: MNIST's test digits.
        config: How it was trained.
        seed: Seed of the training.
        seconds: Duration of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    classifier = rounded(trained)
    reference = DigitReference.from_images(classifier, test.images, test.labels)
    metrics = {
        "accuracy_test": Metric(
            accuracy(classifier, test.images, test.labels),
            len(test),
            "share of MNIST's test digits named rightly",
        )
    }
    for name, (images, what) in _known_sets(train).items():
        metrics[f"frechet_{name}"] = Metric(
            round(_distance(classifier, images, reference), 4),
            len(images),
            f"digit-feature Fréchet distance of {what} from MNIST's 10,000 test digits",
        )
    card = make_card(
        "mnist-classifier",
        title="Names handwritten digits; its 64 features are the space of our digit distances",
        n_parameters=count_parameters(classifier),
        dataset=train,
        recipe=dataclasses.asdict(config),
        seed=seed,
        n_images=config.n_images // config.batch_size * config.batch_size,
        seconds=seconds,
        metrics=metrics,
        notes="For measuring generated digits of 28 × 28 pixels, white on black, in [-1, 1]. It "
        "names anything as one of ten digits, often with full confidence, noise included: its "
        "confidence is no measure of quality.",
    )
    return save_entry(
        "mnist-classifier",
        classifier,
        card,
        extra_tensors={REFERENCE_NAME: reference.tensors()},
        folder=folder,
    )


def _known_sets(train: ImageDataset) -> dict[str, tuple[Float[Tensor, "N C H W"], str]]:
    """Sets whose quality is known, to calibrate the distance."""
    transforms = require("torchvision.transforms.v2.functional", extra="book")
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(train), generator=generator)[:10_000]
    digits = train.images[chosen]
    noise = torch.randn(digits.shape, generator=generator)
    return {
        "real_train_60k": (train.images, "all training digits"),
        "real_train": (digits, "random training digits"),
        "blur": (
            transforms.gaussian_blur(digits, [9, 9], [1.0, 1.0]),
            "training digits blurred by a Gaussian with a standard deviation of one pixel",
        ),
        "noisy": (
            (digits + 0.5 * noise).clamp(-1, 1),
            "training digits with Gaussian noise of standard deviation 0.5",
        ),
        "noise": (
            2 * torch.rand(digits.shape, generator=generator) - 1,
            "uniform noise",
        ),
        "one_digit": (
            train.images[train.labels == 1][:5000],
            "training digits of class 1 alone",
        ),
    }


def _distance(
    classifier: DigitClassifier, images: Float[Tensor, "N C H W"], reference: DigitReference
) -> float:
    features = predict(classifier, images).features
    return frechet_distance(feature_statistics(features), reference.statistics)


# What trains each entry: takes the seed and the folder of the zoo, returns the entry's folder.
TRAINERS: dict[str, Callable[[int, Path], Path]] = {
    "mnist-classifier": train_mnist_classifier,
}


def main(arguments: list[str] | None = None) -> None:
    """Train one entry and write it.

    Args:
        arguments: Command line; by default that of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m aigc_tutorial.zoo.train", description=__doc__)
    parser.add_argument("name", choices=names())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder",
        type=Path,
        default=WEIGHTS_FOLDER,
        help="folder of the zoo (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    print(f"Wrote {TRAINERS[options.name](options.seed, options.folder)}")


if __name__ == "__main__":
    main()
