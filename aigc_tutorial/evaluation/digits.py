"""One report on generated digits: every measure of this package, in one feature space."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import (
    Samples,
    as_classes,
    as_images,
    require_same_length,
    require_samples,
)
from aigc_tutorial.evaluation.classifier import DigitClassifier, predict
from aigc_tutorial.evaluation.coverage import class_shares, kl_to_uniform
from aigc_tutorial.evaluation.frechet import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
)
from aigc_tutorial.evaluation.kernel import KernelDistance, kernel_distance
from aigc_tutorial.evaluation.precision_recall import precision_recall
from aigc_tutorial.files import expand
from aigc_tutorial.tensors import load_tensors, save_tensors


@dataclass(frozen=True)
class DigitReference:
    """Features of real digits, to which generated ones are compared.

    With it, distances to MNIST's 10,000 test digits can be computed where the digits themselves
    are not at hand.

    Attributes:
        features: Features of the real digits, float32 (stored as float16 where that holds them).
        labels: Their classes.
        statistics: Mean and covariance, computed before the features were rounded.
        head: Weights of the classifier's last layer, by which it is known again: the same features
            of another network mean something else. None where they were not kept.
    """

    features: Float[Tensor, "N F"]
    labels: Int64[Tensor, " N"]
    statistics: FeatureStatistics
    head: Float[Tensor, "K F"] | None = None

    def __len__(self) -> int:
        """Number of digits."""
        return len(self.labels)

    @classmethod
    def from_images(
        cls,
        classifier: DigitClassifier,
        images: Samples,
        labels: Samples,
    ) -> "DigitReference":
        """Compute the reference of real digits.

        Args:
            classifier: The feature extractor.
            images: Real digits in [-1, 1] (N, C, H, W).
            labels: Their classes (N,).

        Returns:
            Features rounded as they would be after saving and loading.

        Raises:
            ValueError: If there are not more digits than features, if the numbers of images and
                labels differ, if images hold NaN or are not in [-1, 1], or if a label is no class.
        """
        digits = as_images(images)
        classes = as_classes(labels, classifier.config.n_classes).cpu()
        require_same_length(digits, classes, "images", "labels")
        features = predict(classifier, digits).features
        stored = features.to(_storage_type(features)).float()
        return cls(stored, classes, feature_statistics(features), _head(classifier))

    def require_features_of(self, classifier: DigitClassifier) -> None:
        """Refuse a classifier that did not compute these features: distances would mean nothing.

        Args:
            classifier: The one that generated digits are shown to, in any precision.

        Raises:
            ValueError: If its last layer is not the one that the reference remembers.
        """
        if self.head is None:
            return
        head = _head(classifier)
        # A hundredth: the same weights in bfloat16 differ by less.
        if head.shape != self.head.shape or not torch.allclose(
            head, self.head, rtol=0, atol=0.01 * float(self.head.abs().max())
        ):
            raise ValueError(
                "The reference holds features of another classifier than this one, and a distance "
                "between the two would mean nothing. Take that classifier, or make a reference "
                "with this one: DigitReference.from_images(classifier, images, labels)."
            )

    def tensors(self) -> dict[str, Tensor]:
        """The reference as named tensors, ready for safetensors, in the smallest types.

        Features are float16 if that holds the largest and, next to it, the smallest, otherwise
        float32; labels are bytes if there are at most 256 classes, otherwise int64.
        """
        few_classes = len(self.labels) == 0 or int(self.labels.max()) < 256
        tensors = {
            "features": self.features.to(_storage_type(self.features)).contiguous(),
            "labels": self.labels.to(torch.uint8 if few_classes else torch.int64),
            "mean": self.statistics.mean.contiguous(),
            "covariance": self.statistics.covariance.contiguous(),
        }
        return tensors if self.head is None else tensors | {"head": self.head.contiguous()}

    def save(self, path: str | Path) -> None:
        """Write the reference to a safetensors file, whole or not at all.

        Args:
            path: The file, usually ``reference.safetensors``.
        """
        save_tensors(path, self.tensors())

    @classmethod
    def load(cls, path: str | Path) -> "DigitReference":
        """Read what :meth:`save` wrote.

        Args:
            path: The file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is damaged or is no reference.
        """
        path = expand(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no reference at {path}; expected a file that DigitReference.save wrote."
            )
        try:
            tensors, _ = load_tensors(path)
            features = tensors["features"].float()
            statistics = FeatureStatistics(tensors["mean"], tensors["covariance"], len(features))
            labels = tensors["labels"].long()
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"{path} is not a whole digit reference ({error}). Restore the file."
            ) from error
        return cls(features, labels, statistics, tensors.get("head"))


def _head(classifier: DigitClassifier) -> Float[Tensor, "K F"]:
    """A copy of the weights of the last layer, on the CPU."""
    return classifier.head.weight.detach().to("cpu", torch.float32, copy=True)


def _storage_type(features: Float[Tensor, "N F"]) -> torch.dtype:
    """float16 if it holds these features, otherwise float32.

    It ends at 65,504, and below 6e-5 its numbers are 6e-8 apart: a millionth of the largest
    feature or less, if that is at least 2⁻⁴.
    """
    largest = float(features.abs().max()) if features.numel() else 0.0
    fits = largest == 0 or 2**-4 <= largest <= torch.finfo(torch.float16).max
    return torch.float16 if fits else torch.float32


@dataclass(frozen=True)
class DigitReport:
    """What is measured on a set of generated digits.

    Attributes:
        n_samples: Number of generated digits.
        n_reference: Number of real digits that they were compared to.
        frechet: Digit-feature Fréchet distance. Not FID: another feature space, another scale.
        kernel: Kernel distance in the same features.
        precision: Share of the generated digits among the real ones (k = 3).
        recall: Share of the real digits among the generated ones (k = 3).
        class_shares: Share of each digit, as the classifier names them.
        kl_to_uniform: Divergence of these shares from a tenth each, in nats.
    """

    n_samples: int
    n_reference: int
    frechet: float
    kernel: KernelDistance
    precision: float
    recall: float
    class_shares: tuple[float, ...]
    kl_to_uniform: float

    def as_dict(self) -> dict[str, Any]:
        """The report as nested built-in types, ready for JSON."""
        return asdict(self)

    def _rows(self) -> list[tuple[str, str]]:
        rarest = min(range(len(self.class_shares)), key=self.class_shares.__getitem__)
        commonest = max(range(len(self.class_shares)), key=self.class_shares.__getitem__)
        return [
            ("digit-feature Fréchet distance", f"{self.frechet:.2f}"),
            ("kernel distance", str(self.kernel)),
            ("precision", f"{self.precision:.3f}"),
            ("recall", f"{self.recall:.3f}"),
            ("rarest digit", f"{rarest}: {self.class_shares[rarest]:.1%}"),
            ("commonest digit", f"{commonest}: {self.class_shares[commonest]:.1%}"),
            ("KL to uniform", f"{self.kl_to_uniform:.4f} nats"),
        ]

    def _title(self) -> str:
        return f"{self.n_samples:,} samples against {self.n_reference:,} real digits"

    def __str__(self) -> str:
        """The report as an aligned table."""
        width = max(len(name) for name, _ in self._rows())
        return "\n".join(
            [self._title(), *(f"  {name:<{width}}  {value}" for name, value in self._rows())]
        )

    def _repr_markdown_(self) -> str:
        rows = "\n".join(f"| {name} | {value} |" for name, value in self._rows())
        return f"| {self._title()} | |\n|:--|:--|\n{rows}\n"


def evaluate_digits(
    images: Samples,
    classifier: DigitClassifier,
    reference: DigitReference,
    *,
    rng: torch.Generator | None = None,
    n_subsets: int = 50,
) -> DigitReport:
    """Measure generated digits against real ones.

    The Fréchet distance, precision and recall depend on the number of samples. Give as many
    generated digits as the reference has, 10,000, wherever numbers are compared.

    Args:
        images: Generated digits in [-1, 1] (N, C, H, W), on any device.
        classifier: The feature extractor that the reference was computed with.
        reference: Features of real digits, for example ``zoo.digit_reference()``.
        rng: Source of randomness for the subsets of the kernel distance. By default one
            with seed 0, so that the same images give the same report.
        n_subsets: Number of these subsets, each of at most 1,000 samples.

    Returns:
        The report.

    Raises:
        ValueError: If there are not more images than features, or fewer than ten a class, if they
            hold NaN or are not in [-1, 1], or if the reference is of another classifier.
    """
    reference.require_features_of(classifier)
    digits = as_images(images)
    _, n_features = reference.features.shape
    require_samples(
        digits,
        max(n_features + 1, 10 * classifier.config.n_classes),
        "images",
        f"more than the {n_features} features and ten a class. Ten thousand are usual",
    )
    prediction = predict(classifier, digits)
    shares = class_shares(prediction.labels, classifier.config.n_classes)
    overlap = precision_recall(reference.features, prediction.features)
    return DigitReport(
        n_samples=len(digits),
        n_reference=len(reference),
        frechet=frechet_distance(feature_statistics(prediction.features), reference.statistics),
        kernel=kernel_distance(
            reference.features,
            prediction.features,
            rng=torch.Generator().manual_seed(0) if rng is None else rng,
            n_subsets=n_subsets,
            subset_size=min(1000, len(digits), len(reference)),
        ),
        precision=overlap.precision,
        recall=overlap.recall,
        class_shares=tuple(shares.tolist()),
        kl_to_uniform=kl_to_uniform(shares),
    )
