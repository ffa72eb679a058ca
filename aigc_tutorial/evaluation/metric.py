"""The Fréchet distance as a torchmetrics metric, for evaluation during training.

:func:`~aigc_tutorial.evaluation.frechet_distance` takes statistics that are there already. This
metric takes images batch by batch, moves with ``.to(device)`` and adds up over the processes of a
distributed run, as all of torchmetrics does.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.environment import require
from aigc_tutorial.evaluation.classifier import DigitClassifier
from aigc_tutorial.evaluation.frechet import FeatureStatistics


class _Features(nn.Module):
    """A classifier reduced to its features, with the width where torchmetrics looks for it."""

    def __init__(self, classifier: DigitClassifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.num_features = classifier.config.n_features

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        return self.classifier.features(x)


def frechet_metric(classifier: DigitClassifier, reference: FeatureStatistics | None = None) -> Any:
    """Make a torchmetrics metric of the digit-feature Fréchet distance.

    >>> import torch
    >>> from aigc_tutorial import zoo
    >>> classifier = zoo.load("mnist-classifier")
    >>> metric = frechet_metric(classifier, zoo.digit_reference().statistics)
    >>> metric.update(2 * torch.rand(100, 1, 28, 28) - 1, real=False)  # noise, not digits
    >>> bool(metric.compute() > 1000)
    True

    Args:
        classifier: The feature extractor, in evaluation mode.
        reference: Statistics of real digits. They become the metric's real side and survive
            ``reset()``. Without them, call ``metric.update(images, real=True)``.

    Returns:
        A ``torchmetrics.image.fid.FrechetInceptionDistance`` on the CPU that takes images in
        [-1, 1].

    Raises:
        ValueError: If the classifier is in training mode: features would depend on the batch.
        MissingDependencyError: If torchmetrics is not installed.
    """
    if classifier.training:
        raise ValueError("The classifier is in training mode. Call classifier.eval() first.")
    fid = require("torchmetrics.image.fid", extra="book")
    metric = fid.FrechetInceptionDistance(
        feature=_Features(classifier),
        reset_real_features=reference is None,
        normalize=True,
        input_img_size=classifier.image_shape,
    )
    if reference is not None:
        # torchmetrics keeps Σx and Σxxᵀ: both follow from mean, covariance and N.
        n, mean = reference.n_samples, reference.mean.double()
        metric.real_features_sum += n * mean
        metric.real_features_cov_sum += (n - 1) * reference.covariance + n * mean.outer(mean)
        metric.real_features_num_samples += n
    return metric
