"""Training of the zoo's PixelCNN of black and white digits, whose likelihood can be compared."""

import dataclasses
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.data import BinarisedBatches, ImageDataset, ShuffledTuples, binarise
from aigc_tutorial.evaluation import sequence_likelihood
from aigc_tutorial.training import Engine
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import rounded
from aigc_tutorial.zoo.training import pixelcnn
from aigc_tutorial.zoo.training.making import MNIST_SOURCE, real_mnist, run_of, write_entry
from aigc_tutorial.zoo.training.pixelcnn import N_PIXELS, fit

NAME = "mnist-pixelcnn-binary"
TEST_SEED = 2026

MODEL = PixelCNNConfig(n_levels=2, width=32, n_layers=6, kernel_size=5)
TRAINING = dataclasses.replace(pixelcnn.TRAINING, n_tokens=100_000 * N_PIXELS)


def train_mnist_pixelcnn_binary(seed: int, folder: Path) -> Path:
    """Train the PixelCNN on binarized MNIST, measure its likelihood and write the entry.

    An interrupted training goes on where it was when the command is given again.

    Args:
        seed: Seed of the training.
        folder: Folder of the zoo.

    Returns:
        The entry's folder.
    """
    digits, test = real_mnist()
    precision = fast_precision()
    engine = Engine(mixed_precision=precision)
    # Each time that a digit is seen its pixels are drawn anew, so it is never twice the same.
    order, pixels = (torch.Generator().manual_seed(2 * seed + k) for k in (0, 1))
    images = digits.images[:, 0].to(engine.device)
    batches = BinarisedBatches(
        ShuffledTuples((images,), TRAINING.batch_size, rng=order), rng=pixels
    )
    result = fit(NAME, MODEL, TRAINING, batches, seed, engine=engine)
    trained = rounded(result.model.cpu())
    return write_entry(
        NAME,
        trained,
        run_of(
            result,
            TRAINING,
            seed=seed,
            unit="images",
            tokens_per_unit=N_PIXELS,
            engine=engine,
            mixed_precision=precision,
        ),
        title="Draws black and white digits, and says how probable one is",
        data=f"MNIST, {len(digits):,} training images without their labels, each pixel drawn "
        "black or white with its grey value as the probability, anew each time",
        data_source=MNIST_SOURCE,
        metrics=likelihood(trained, test),
        notes="For comparison with published likelihoods of binarized MNIST. Their test digits are "
        "one draw of the same kind, which is not this one.",
        folder=folder,
    )


def binarised_test(test: ImageDataset) -> Int64[Tensor, "N H W"]:
    """The draw of the test digits that the card speaks of."""
    return binarise(test.images[:, 0], rng=torch.Generator().manual_seed(TEST_SEED))


def likelihood(model: PixelCNN, test: ImageDataset) -> dict[str, Metric]:
    """Negative log-likelihood of the test digits."""
    report = sequence_likelihood(model, binarised_test(test), batch_size=100)
    protocol = (
        "MNIST's test digits, each pixel drawn once, 1 with its grey value as the probability, "
        f"torch seed {TEST_SEED}; all pixels of all images; no class given"
    )
    return {
        "nats_per_image": Metric(round(report.nats_per_sequence, 3), len(test), protocol),
        "bits_per_pixel": Metric(round(report.bits_per_token, 5), len(test), protocol),
    }
