"""What a GAN is chosen by: its losses say nothing of its samples."""

import torch

from aigc_tutorial.evaluation import (
    DigitClassifier,
    DigitReference,
    class_report,
    feature_statistics,
    frechet_distance,
    predict,
)
from aigc_tutorial.gan.base import Generator
from aigc_tutorial.integers import as_count


def digit_distance(
    generator: Generator,
    *,
    classifier: DigitClassifier,
    reference: DigitReference,
    n_samples: int = 2_000,
    seed: int = 0,
) -> float:
    """How far generated digits are from real ones: the Fréchet distance in digit features.

    For a search or a validation the reference is of real digits that the GAN does not learn from
    and that test nothing: a part of the training set, put aside. That the classifier has learned
    from them is the same for all generators that are compared.

    >>> import functools
    >>> from aigc_tutorial import data, evaluation, gan, zoo
    >>> digits, classifier = data.mnist_sample(), zoo.load("mnist-classifier")
    >>> held_out = digits.images[-800:], digits.labels[-800:]
    >>> reference = evaluation.DigitReference.from_images(classifier, *held_out)
    >>> validation = functools.partial(
    ...     gan.digit_distance, classifier=classifier, reference=reference
    ... )
    >>> validation(zoo.load("mnist-conv-gan")) < validation(zoo.load("mnist-mlp-gan"))
    True

    Args:
        generator: of digits. With classes it is asked for all of them in turn, and the distance is
            the mean of those within each class, so that it must listen too.
        classifier: the feature extractor that the reference was computed with.
        reference: features of the real digits.
        n_samples: how many to draw. The distance is biased by their number: compare at the same.
        seed: of the latents, the same for all that are compared.

    Returns:
        The distance; 0 is the best.

    Raises:
        ValueError: if there are not more samples or real digits (with classes: of each class) than
            features, or if the reference is of another classifier.
    """
    reference.require_features_of(classifier)
    as_count(n_samples, "n_samples")
    rng = torch.Generator("cpu").manual_seed(seed)
    n_classes = generator.n_classes
    if n_classes is None:
        samples = generator.sample(n_samples, rng=rng)
        features = predict(classifier, samples).features
        return frechet_distance(feature_statistics(features), reference.statistics)
    labels = torch.arange(n_samples, device="cpu") % n_classes
    samples = generator.sample(n_samples, labels, rng=rng)
    return class_report(samples, labels, classifier, reference).frechet
