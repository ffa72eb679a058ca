"""What the training of every entry of the zoo has in common: the data and the card."""

from typing import Any

from aigc_tutorial.data import ImageDataset, mnist
from aigc_tutorial.zoo.card import Card, Machine, Metric
from aigc_tutorial.zoo.entries import MODELS


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
