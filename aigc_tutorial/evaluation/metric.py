"""The Fréchet distance as a torchmetrics metric, for evaluation during training.

:func:`~aigc_tutorial.evaluation.frechet_distance` takes statistics that are there already. This
metric takes images batch by batch, moves with ``.to(device)`` and adds up over the processes of a
distributed run, as all of torchmetrics does.
"""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.data.checks import require_finite
from aigc_tutorial.environment import require
from aigc_tutorial.evaluation.classifier import DigitClassifier
from aigc_tutorial.evaluation.digits import DigitReference
from aigc_tutorial.evaluation.frechet import FeatureStatistics
from aigc_tutorial.nn import autocast_off


class FrozenFeatures(nn.Module):
    """A classifier reduced to its features: a copy, frozen, in evaluation mode for good.

    A metric that is an attribute of a module is switched to training with it. The features must
    not depend on that, nor the caller's classifier on the metric.

    Attributes:
        num_features: F, under the name by which torchmetrics looks for it.
    """

    def __init__(self, classifier: DigitClassifier) -> None:
        super().__init__()
        self.classifier = copy.deepcopy(classifier).requires_grad_(False).eval()
        self.num_features = classifier.config.n_features

    def train(self, mode: bool = True) -> "FrozenFeatures":
        """Stay in evaluation mode."""
        return super().train(False)

    @autocast_off()
    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        """Features of images in [-1, 1], float32 whatever type the classifier computes in."""
        features = self.classifier.features(x.to(next(self.classifier.parameters()))).float()
        require_finite(features, "the classifier's features of finite images")
        return features


def frechet_metric(
    classifier: DigitClassifier, reference: DigitReference | FeatureStatistics | None = None
) -> Any:
    """Make a torchmetrics metric of the digit-feature Fréchet distance.

    >>> import torch
    >>> from aigc_tutorial import zoo
    >>> classifier = zoo.load("mnist-classifier")
    >>> metric = frechet_metric(classifier, zoo.digit_reference())
    >>> metric.update(2 * torch.rand(100, 1, 28, 28) - 1, real=False)  # noise, not digits
    >>> bool(metric.compute() > 1000)
    True

    Args:
        classifier: The feature extractor. The metric holds a frozen copy in evaluation mode;
            the network itself is neither moved nor switched.
        reference: Real digits, or their statistics alone. They become the metric's real side, and
            what else is added to it, ``reset()`` takes away again. Without them, call
            ``metric.update(images, real=True)``.

    Returns:
        A ``torchmetrics.image.fid.FrechetInceptionDistance`` on the CPU. ``update`` takes images
        in [-1, 1] on any device and refuses others, as
        :func:`~aigc_tutorial.evaluation.evaluate_digits` does; ``compute`` refuses a side that has
        not more samples than there are features. ``metric(images, real=False)`` returns the
        distance of these images alone and adds them.

    Raises:
        ValueError: If the reference is of another classifier, or of features of another number.
        MissingDependencyError: If torchmetrics is not installed.
    """
    if isinstance(reference, DigitReference):
        reference.require_features_of(classifier)
        reference = reference.statistics
    n_features = classifier.config.n_features
    if reference is not None and len(reference.mean) != n_features:
        raise ValueError(
            f"The reference is of {len(reference.mean)} features and the classifier has "
            f"{n_features}: it was computed with another one."
        )
    require("torchmetrics.image.fid", extra="book")
    # Not above: the module's class is torchmetrics' child, and torchmetrics is slow to load.
    from aigc_tutorial.evaluation.torchmetrics_frechet import DigitFrechetDistance

    with torch.device("cpu"):  # where torch's default device is another too
        return DigitFrechetDistance(FrozenFeatures(classifier), classifier.image_shape, reference)
