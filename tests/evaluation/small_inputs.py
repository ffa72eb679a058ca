"""Small inputs of every function that measures samples, for the tests of its arguments."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aigc_tutorial import data, evaluation
from aigc_tutorial.evaluation import ClassifierTrainingConfig, DigitClassifier, TwoSampleConfig
from aigc_tutorial.evaluation.classifier import DigitClassifierConfig

SIZES = DigitClassifierConfig(image_shape=(1, 8, 8), widths=(2, 2, 2, 2, 2), n_features=3)
LABELS = torch.arange(120) % 10
SHORT = ClassifierTrainingConfig(n_images=40, batch_size=20)
QUICK = TwoSampleConfig(n_samples_shown=200, batch_size=20, width=4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def classifier() -> DigitClassifier:
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        return DigitClassifier(SIZES).eval()


def images(seed: int = 1) -> Tensor:
    """120 images in [-1, 1]."""
    return 2 * torch.rand(120, 1, 8, 8, generator=seeded(seed), device="cpu") - 1


def features(seed: int = 1) -> Tensor:
    return torch.randn(120, 3, generator=seeded(seed), device="cpu")


def reference(network: DigitClassifier) -> evaluation.DigitReference:
    return evaluation.DigitReference.from_images(network, images(2), LABELS)


def _metric(x: Any, other: Any, network: Any) -> Tensor:
    metric = evaluation.frechet_metric(network.cpu()).to(network.device)
    metric.update(other, real=True)
    metric.update(x, real=False)
    return metric.compute().cpu()


def _trained(x: Any, labels: Any) -> Tensor:
    trained = evaluation.train_classifier(x, labels, seed=0, config=SHORT, model_config=SIZES)
    return trained.head.weight.detach().cpu()


# What is measured on images in [-1, 1] through a network: of the images and the network.
OF_IMAGES: dict[str, Callable[[Any, DigitClassifier], Any]] = {
    "predict": lambda x, network: evaluation.predict(network, x).features,
    "accuracy": lambda x, network: evaluation.accuracy(network, x, LABELS),
    "from_images": lambda x, network: (
        evaluation.DigitReference.from_images(network, x, LABELS).statistics.covariance
    ),
    "evaluate_digits": lambda x, network: evaluation.evaluate_digits(
        x, network, reference(network), n_subsets=2
    ).as_dict(),
    "class_report": lambda x, network: (
        evaluation.class_report(x, LABELS, network, reference(network)).frechets
    ),
    "frechet_metric": lambda x, network: _metric(x, images(2), network),
    "train_classifier": lambda x, network: _trained(x, LABELS),
}
# What compares two sets, of images as well as of vectors.
OF_TWO_SETS: dict[str, Callable[[Any, Any], Any]] = {
    "nearest_neighbours": lambda x, y: evaluation.nearest_neighbours(x, y, k=2).distances,
    "copy_report": lambda x, y: (
        evaluation.copy_report(x, y, y.flip(0) + 0.01, quantile=0.1).neighbours.distances
    ),
    "classifier_two_sample_test": lambda x, y: (
        evaluation.classifier_two_sample_test(x, y, rng=seeded(), config=QUICK).accuracy
    ),
}
# What compares two sets of features.
OF_TWO_FEATURES: dict[str, Callable[[Any, Any], Any]] = {
    "feature_statistics": lambda x, y: evaluation.feature_statistics(x).covariance,
    "frechet_distance": lambda x, y: evaluation.frechet_distance(
        evaluation.feature_statistics(x), evaluation.feature_statistics(y)
    ),
    "precision_recall": lambda x, y: evaluation.precision_recall(x, y).recall,
    "density_coverage": lambda x, y: evaluation.density_coverage(x, y).density,
    "kernel_distance": lambda x, y: (
        evaluation.kernel_distance(x, y, rng=seeded(), n_subsets=2, subset_size=20).mean
    ),
    "squared_mmd": lambda x, y: evaluation.squared_mmd(x, y),
}
# What measures one set of numbers.
OF_POINTS: dict[str, Callable[[Any], Any]] = {
    "mode_coverage": lambda x: evaluation.mode_coverage(x[:, :2], data.ring()).share_high_quality,
    "wasserstein_1d": lambda x: evaluation.wasserstein_1d(x[:, 0], features(3)[:, 0]),
}
