"""Training of the zoo's PixelCNN, which draws digits pixel by pixel."""

from pathlib import Path

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from aigc_tutorial.ar.models.pixelcnn import PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.trainer import ARTrainingConfig, ARTrainingResult, train
from aigc_tutorial.cpu import fast_precision
from aigc_tutorial.data import ImageDataset
from aigc_tutorial.data.batches.levels import dequantise, quantise
from aigc_tutorial.evaluation import (
    evaluate_digits,
    feature_statistics,
    frechet_distance,
    predict,
    sequence_likelihood,
)
from aigc_tutorial.nn import seeded_weights
from aigc_tutorial.training import Engine
from aigc_tutorial.training.loop import Batches
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import digit_reference, load, rounded
from aigc_tutorial.zoo.training.making import MNIST_SOURCE, RUNS, real_mnist, run_of, write_entry

NAME = "mnist-pixelcnn"
N_PIXELS = 28 * 28
N_SAMPLES = 10_000
SAMPLE_SEED = 2026

MODEL = PixelCNNConfig(n_levels=8, width=32, n_layers=6, kernel_size=5, n_classes=10)
TRAINING = ARTrainingConfig(
    n_tokens=180_000 * N_PIXELS,
    batch_size=16,
    learning_rate_matrices=0.02,
    learning_rate_others=8e-3,
    betas=(0.9, 0.99),
    warmup_tokens=800 * N_PIXELS,
    max_gradient_norm=1.0,
)
CHECKPOINT_EVERY = 4_000 * N_PIXELS


def train_mnist_pixelcnn(seed: int, folder: Path) -> Path:
    """Train the PixelCNN on MNIST in eight grey levels, measure it and write the entry.

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
    result = fit(NAME, MODEL, TRAINING, (levels_of(digits), digits.labels), seed, engine=engine)
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
        title="Draws the handwritten digit that is asked for, pixel by pixel, in eight grey levels",
        data=f"MNIST, {len(digits):,} training images with their labels, each pixel rounded to "
        f"the nearest of {MODEL.n_levels} grey levels",
        data_source=MNIST_SOURCE,
        metrics=likelihood(trained, test)
        | sample_quality(trained, N_SAMPLES)
        | {"frechet_real": distance_of_real(digits)},
        notes="Gives the probability of a digit, too. data.levels.dequantise turns the levels that "
        "it draws into grey values in [-1, 1]. Trained for teaching; it knows no other images.",
        folder=folder,
    )


def fit(
    name: str,
    config: PixelCNNConfig,
    training: ARTrainingConfig,
    data: tuple[Tensor, ...] | Batches,
    seed: int,
    *,
    engine: Engine,
) -> ARTrainingResult[PixelCNN]:
    """Train a model, or go on with a training that was interrupted.

    Args:
        name: Of the entry; names the checkpoint.
        config: The model's.
        training: How it is trained.
        data: What it is trained on: see :func:`aigc_tutorial.ar.train`.
        seed: Decides the weights and the order of the digits.
        engine: Device and precision.
    """
    with seeded_weights(seed):
        model = PixelCNN(config)
    return train(
        model,
        data,
        config=training,
        seed=seed,
        engine=engine,
        checkpoint_folder=RUNS / f"{name}-{seed}",
        checkpoint_every=CHECKPOINT_EVERY,
    )


def levels_of(dataset: ImageDataset) -> Int64[Tensor, "N H W"]:
    """Grey levels of a data set's images, as the model reads them."""
    return quantise(dataset.images[:, 0], MODEL.n_levels)


def likelihood(model: PixelCNN, test: ImageDataset) -> dict[str, Metric]:
    """Negative log-likelihood of the test digits."""
    report = sequence_likelihood(model, (levels_of(test), test.labels), batch_size=100)
    protocol = (
        f"MNIST's test digits in {MODEL.n_levels} grey levels, each with its class given; all "
        "pixels of all images"
    )
    return {
        "bits_per_pixel": Metric(round(report.bits_per_token, 5), len(test), protocol),
        "nats_per_image": Metric(round(report.nats_per_sequence, 3), len(test), protocol),
    }


def draw(model: PixelCNN, n: int) -> tuple[Float32[Tensor, "{n} 1 H W"], Int64[Tensor, " {n}"]]:
    """Draw the samples that the card speaks of, and the classes that were asked for."""
    labels = torch.arange(n) % 10
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    levels = model.sample(n, labels, rng=rng)
    return dequantise(levels, MODEL.n_levels).unsqueeze(1), labels


def sample_quality(model: PixelCNN, n: int) -> dict[str, Metric]:
    """How near samples are to real digits, and whether they are of the class asked for."""
    images, labels = draw(model, n)
    classifier = load("mnist-classifier")
    report = evaluate_digits(images, classifier, digit_reference())
    agreement = (predict(classifier, images).labels == labels).double().mean().item()
    protocol = (
        f"{n:,} samples of torch seed {SAMPLE_SEED}, the classes asked for in turn, at "
        "temperature 1, mapped to [-1, 1]; "
    )
    against = protocol + (
        "against MNIST's 10,000 test digits, in the 64 features of the zoo's mnist-classifier"
    )
    values = {
        "frechet": report.frechet,
        "kernel": report.kernel.mean,
        "precision": report.precision,
        "recall": report.recall,
    }
    return {name: Metric(round(value, 4), n, against) for name, value in values.items()} | {
        "class_agreement": Metric(
            round(agreement, 4),
            n,
            protocol + "share that the zoo's mnist-classifier names as what was asked for",
        )
    }


def distance_of_real(digits: ImageDataset) -> Metric:
    """Distance that real digits have when they are rounded to the model's grey levels."""
    rng = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(digits), generator=rng)[:N_SAMPLES]
    images = dequantise(quantise(digits.images[chosen], MODEL.n_levels), MODEL.n_levels)
    features = predict(load("mnist-classifier"), images).features
    distance = frechet_distance(feature_statistics(features), digit_reference().statistics)
    return Metric(
        round(distance, 4),
        N_SAMPLES,
        f"{N_SAMPLES:,} random training digits in {MODEL.n_levels} grey levels against the same "
        "reference: what a perfect model would reach",
    )
