"""What the training of every entry of the zoo has in common: the data and the card."""

from typing import Any

from aigc_tutorial.data import ImageDataset, mnist
from aigc_tutorial.nn import Pretrained, count_parameters
from aigc_tutorial.zoo.card import Card, Machine, Metric

MNIST_SOURCE = (
    "MNIST/raw/train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz "
    "(SHA-256 in aigc_tutorial.data.catalogue)"
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
    model: Pretrained,
    *,
    title: str,
    data: str,
    data_source: str,
    recipe: dict[str, Any],
    seed: int,
    n_seen: int,
    unit: str,
    seconds: float,
    metrics: dict[str, Metric],
    device: str = "cpu",
    notes: str = "",
) -> Card:
    """Fill in what follows from the model, the command line and the machine.

    Args:
        name: Name in the zoo.
        model: The trained model.
        title: One line that says what the model is.
        data: Data set and split that it was trained on.
        data_source: What the data were read from.
        recipe: Settings of the training, as built-in types.
        seed: Seed of the training.
        n_seen: How much data the training saw.
        unit: What ``n_seen`` counts.
        seconds: Duration of the training.
        metrics: What was measured on the rounded weights.
        device: What it was trained on.
        notes: Limits and intended use.
    """
    return Card(
        name=name,
        title=title,
        model=type(model).__name__,
        n_parameters=count_parameters(model),
        data=data,
        data_source=data_source,
        command=f"python -m aigc_tutorial.zoo.training {name} --seed {seed}",
        recipe=recipe,
        seed=seed,
        n_seen=n_seen,
        unit=unit,
        seconds=round(seconds, 1),
        machine=Machine.here(device),
        metrics=metrics,
        notes=notes,
    )
