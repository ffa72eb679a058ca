"""Whether a classifier that says 90 % is right nine times of ten, and how to make it so."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.apps.checks import require_positive
from aigc_tutorial.apps.support.checks import as_labels_of, require_confidences, require_numbers
from aigc_tutorial.integers import as_count


@dataclass(frozen=True)
class Reliability:
    """Messages by how sure the classifier was, in bins of equal width from 0 to 1.

    Attributes:
        n: messages in each bin.
        confidence: mean probability of the named class in each bin; NaN in an empty one.
        accuracy: share that was named rightly in each bin; NaN in an empty one.
    """

    n: Int64[Tensor, " bins"]
    confidence: Float[Tensor, " bins"]
    accuracy: Float[Tensor, " bins"]

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance of the two over the messages.

        It depends on the number of bins, and a few messages a bin make it too large: a classifier
        that is perfectly calibrated does not have 0 on a sample.
        """
        gaps = (self.confidence - self.accuracy).abs().nan_to_num()
        return float((self.n * gaps).sum() / self.n.sum())


def reliability(
    confidence: Float[Tensor, " N"], is_right: Bool[Tensor, " N"], *, n_bins: int = 10
) -> Reliability:
    """Sort messages into bins.

    Args:
        confidence: probability of the class that was named.
        is_right: whether it was the right one.
        n_bins: number of bins; the upper end of each belongs to it.

    Raises:
        ValueError: if there is no message, or a confidence is no probability.
    """
    n_bins = as_count(n_bins, "n_bins")
    require_confidences(confidence, is_right)
    # In the type of the confidences: the upper end 0.3 is theirs, not another 0.3.
    ends = torch.arange(1, n_bins, dtype=torch.float64, device=confidence.device) / n_bins
    index = torch.bucketize(confidence, ends.to(confidence.dtype))
    confidence = confidence.double()
    n = torch.bincount(index, minlength=n_bins)

    def mean(values: Tensor) -> Tensor:
        return torch.bincount(index, values.double(), minlength=n_bins) / n

    return Reliability(n, mean(confidence), mean(is_right))


def fit_temperature(logits: Float[Tensor, "N K"], labels: Int64[Tensor, " N"]) -> float:
    """The number by which to divide logits so that held-out labels are most probable.

    It changes no decision, since the order of the logits stays. The negative log-likelihood is
    convex in 1 / T, and its slope is found to be 0 by halving an interval.

    Args:
        logits: of held-out messages; −∞ for a class that is never named.
        labels: their classes.

    Returns:
        T between 1/100 and 100; near an end of it where no T is best, as when all are right.

    Raises:
        ValueError: if there is no message, or the logit of a label is −∞ or none: no temperature
            makes it possible.

    Source: Guo et al. (2017).
    """
    require_numbers(logits, "logits", n_axes=2)
    labels = as_labels_of(logits, labels, logits.shape[1]).to(logits.device)
    logits = logits.double()
    if not logits.gather(1, labels[:, None]).isfinite().all() or logits.isposinf().any():
        raise ValueError(
            "the logit of a label is not finite: the class was never learned, and no temperature "
            "makes it possible; leave these messages out"
        )
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low * high) ** 0.5
        inverse = torch.tensor(1 / middle, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            loss = F.cross_entropy(_scaled(logits, inverse), labels)
            (slope,) = torch.autograd.grad(loss, inverse)
        # A falling slope: more weight on the logits helps, so T is to be smaller.
        low, high = (low, middle) if slope < 0 else (middle, high)
    return (low * high) ** 0.5


def _scaled(logits: Tensor, factor: Tensor) -> Tensor:
    """Logits times a factor, with a finite stand-in for −∞, whose product has no gradient."""
    return torch.where(logits.isfinite(), logits, -1e4) * factor


def temperature_scaled(logits: Float[Tensor, "N K"], temperature: float) -> Float[Tensor, "N K"]:
    """Probabilities at a temperature.

    Raises:
        ValueError: if the temperature is not positive and finite.
    """
    require_positive(temperature, "temperature")
    return (logits.double() / temperature).softmax(1)
