"""Whether samples are of the classes that were asked for, and how near to real ones of these."""

from dataclasses import dataclass
from statistics import mean

from aigc_tutorial.data.checks import Samples, as_classes, as_images, require_same_length
from aigc_tutorial.evaluation.classifier import DigitClassifier, predict
from aigc_tutorial.evaluation.digits import DigitReference
from aigc_tutorial.evaluation.frechet import feature_statistics, frechet_distance


@dataclass(frozen=True)
class ClassReport:
    """What is measured on digits that were asked for by their class.

    Attributes:
        n_samples: Number of generated digits.
        agreement: Share that the classifier names as what was asked for.
        agreements: The same for each class by itself.
        frechets: Digit-feature Fréchet distance within each class: of the digits asked for as
            that class from the real digits of it.
    """

    n_samples: int
    agreement: float
    agreements: tuple[float, ...]
    frechets: tuple[float, ...]

    @property
    def frechet(self) -> float:
        """Mean over the classes of the distance within each."""
        return mean(self.frechets)


def class_report(
    images: Samples, labels: Samples, classifier: DigitClassifier, reference: DigitReference
) -> ClassReport:
    """Measure digits that were asked for by their class.

    A model that draws perfect digits but does not listen has a distance of nearly 0 over all
    classes together, and a large one within each. The distances are biased by the number of samples
    as all Fréchet distances are: compare them at as many samples of each class.

    Args:
        images: Generated digits in [-1, 1] (N, C, H, W), on any device.
        labels: The class that each was asked for as (N,).
        classifier: The feature extractor that the reference was computed with.
        reference: Features of real digits, for example ``zoo.digit_reference()``.

    Returns:
        The report.

    Raises:
        ValueError: If the numbers of images and labels differ, if a label is no class, if there are
            not more images, or real digits, of each class than features, if images hold NaN or are
            not in [-1, 1], or if the reference is of another classifier.
    """
    reference.require_features_of(classifier)
    n_classes = classifier.config.n_classes
    digits = as_images(images)
    asked = as_classes(labels, n_classes).cpu()
    require_same_length(digits, asked, "images", "labels")
    least, needed = int(asked.bincount(minlength=n_classes).min()), reference.features.shape[1] + 1
    if least < needed:
        raise ValueError(
            f"got {least} images of a class, need at least {needed} of each of the {n_classes}: "
            f"their number must exceed that of the {needed - 1} features. A thousand are usual."
        )
    prediction = predict(classifier, digits)
    is_right = (prediction.labels == asked).double()
    frechets = [
        frechet_distance(
            feature_statistics(prediction.features[asked == c]),
            feature_statistics(reference.features[reference.labels == c]),
        )
        for c in range(n_classes)
    ]
    return ClassReport(
        n_samples=len(digits),
        agreement=is_right.mean().item(),
        agreements=tuple(is_right[asked == c].mean().item() for c in range(n_classes)),
        frechets=tuple(frechets),
    )
