"""What the training of every entry of the zoo has in common: the data, the run and the card."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.recipes import Recipe
from aigc_tutorial.ar.trainer import ARTrainingResult
from aigc_tutorial.data import ImageDataset, mnist
from aigc_tutorial.nn import Pretrained, count_parameters
from aigc_tutorial.tokenizers import Tokenizer
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Card, Machine, Metric
from aigc_tutorial.zoo.entries import WEIGHTS_FOLDER, save_entry

RUNS = Path("runs")
"""Where checkpoints are kept, below the folder that the command is given in."""

MNIST_SOURCE = (
    "MNIST/raw/train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz "
    "(SHA-256 in aigc_tutorial.data.catalogue)"
)


@dataclass(frozen=True)
class Run:
    """A training that has ended, in the words of the card.

    Attributes:
        recipe: Settings of model and training, as built-in types.
        seed: Seed of the training.
        n_seen: How much data it saw.
        unit: What ``n_seen`` counts.
        seconds: Its duration.
        device: What it ran on.
        options: What the command line said besides name and seed.
    """

    recipe: Mapping[str, Any]
    seed: int
    n_seen: int
    unit: str
    seconds: float
    device: str = "cpu"
    options: str = ""


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


def fit(
    recipe: Recipe,
    data: Tensor | tuple[Tensor, ...],
    seed: int,
    *,
    engine: Engine,
    checkpoint_every: int,
    vocab_size: int | None = None,
) -> ARTrainingResult[AutoregressiveModel]:
    """Train a recipe's model, or go on with a training that was interrupted.

    Args:
        recipe: Model and training; its name is the checkpoint's.
        data: A long text, or rows of tokens and their mask.
        seed: Decides the weights and the order of the data.
        engine: Device and precision.
        checkpoint_every: Tokens from one checkpoint to the next.
        vocab_size: V, if the recipe leaves it open.
    """
    return recipe.train(
        data,
        vocab_size=vocab_size,
        seed=seed,
        engine=engine,
        checkpoint_folder=RUNS / f"{recipe.name}-{seed}",
        checkpoint_every=checkpoint_every,
    )


def run_of(
    result: ARTrainingResult[Any],
    training: Any,
    *,
    seed: int,
    unit: str,
    engine: Engine,
    tokens_per_unit: int = 1,
    **settings: Any,
) -> Run:
    """The words of the card for the training of an autoregressive model.

    Args:
        result: What the training left.
        training: Its configuration.
        seed: Its seed.
        unit: What the card counts.
        engine: What it ran on.
        tokens_per_unit: Tokens that make one of the unit.
        settings: What else the recipe says.
    """
    return Run(
        {
            "model": dataclasses.asdict(result.model.config),
            "training": dataclasses.asdict(training),
            **settings,
        },
        seed=seed,
        n_seen=result.n_tokens // tokens_per_unit,
        unit=unit,
        seconds=result.seconds,
        device=engine.device.type,
    )


def write_entry(
    name: str,
    model: Pretrained,
    run: Run,
    *,
    title: str,
    data: str,
    data_source: str,
    metrics: dict[str, Metric],
    notes: str,
    tokenizer: Tokenizer | None = None,
    extra_tensors: Mapping[str, Mapping[str, Tensor]] | None = None,
    folder: str | Path = WEIGHTS_FOLDER,
) -> Path:
    """Write an entry whose card says the rest from the model, the run and the machine.

    Args:
        name: Name in the zoo.
        model: The trained model, rounded as it is stored.
        run: Its training.
        title: One line that says what the model is.
        data: Data set and split that it was trained on.
        data_source: What the data were read from.
        metrics: What was measured on the rounded weights.
        notes: Limits and intended use.
        tokenizer: What the model was trained with, if it is a model of text.
        extra_tensors: Further files: see :func:`aigc_tutorial.zoo.save_entry`.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    card = Card(
        name=name,
        title=title,
        model=type(model).__name__,
        n_parameters=count_parameters(model),
        data=data,
        data_source=data_source,
        command=f"aigc-tutorial zoo train {name} --seed {run.seed} {run.options}".rstrip(),
        recipe=dict(run.recipe),
        seed=run.seed,
        n_seen=run.n_seen,
        unit=run.unit,
        seconds=round(run.seconds, 1),
        machine=Machine.here(run.device),
        metrics=metrics,
        notes=notes,
    )
    return save_entry(
        name, model, card, tokenizer=tokenizer, extra_tensors=extra_tensors, folder=folder
    )
