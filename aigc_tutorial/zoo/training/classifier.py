"""Training of the zoo's digit classifier, whose features are the space of our digit distances."""

import dataclasses
import time
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from aigc_tutorial.data import ImageDataset
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
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import REFERENCE_NAME, rounded
from aigc_tutorial.zoo.training.making import MNIST_SOURCE, Run, real_mnist, write_entry


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
    run = Run(
        dataclasses.asdict(config),
        seed=seed,
        n_seen=config.n_images // config.batch_size * config.batch_size,
        unit="images",
        seconds=seconds,
    )
    return write_entry(
        "mnist-classifier",
        classifier,
        run,
        title="Names handwritten digits; its 64 features are the space of our digit distances",
        data=f"MNIST, {len(train):,} training images in [-1, 1]",
        data_source=MNIST_SOURCE,
        metrics=metrics,
        notes="For measuring generated digits of 28 × 28 pixels, white on black, in [-1, 1]. It "
        "names anything as one of ten digits, often with full confidence, noise included: its "
        "confidence is no measure of quality.",
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
