"""Telling a rare class of photographs, and measuring how well it was told."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from aigc_tutorial.apps.outlook.balancing import Change, require_both
from aigc_tutorial.apps.outlook.lesions import Photographs
from aigc_tutorial.config import Config
from aigc_tutorial.data import ShuffledTuples
from aigc_tutorial.data.checks import as_floats, as_tensor, require_rng
from aigc_tutorial.gan import ConvDiscriminator, ConvDiscriminatorConfig
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import evaluation_mode, gradients_on, seeded_weights


@dataclass(frozen=True)
class ScreeningConfig(Config):
    """How the classifier is built and trained; the same for every way to help the rare class.

    Attributes:
        channels: feature maps after each of three convolutions with stride 2.
        n_images: budget, in images shown.
        batch_size: images a step.
        learning_rate: AdamW's step size at the start; it falls to 0 along half a cosine.
        weight_decay: AdamW's.
    """

    channels: tuple[int, int, int] = (12, 24, 48)
    n_images: int = 6_400
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("channels", "n_images", "batch_size", at_least=1)
        self.require("learning_rate", above=0)
        self.require("weight_decay", at_least=0)


@gradients_on()
def train_screening(
    photographs: Photographs,
    *,
    positive_weight: float = 1.0,
    change: Change | None = None,
    config: ScreeningConfig = ScreeningConfig(),
    seed: int = 0,
) -> ConvDiscriminator:
    """Train a classifier, in the shape of a discriminator: an image in, one logit out.

    Args:
        photographs: what it learns from, on the device where it will be trained.
        positive_weight: weight in the loss of an image of the rare class.
        change: what is done to each batch of images first; see ``balancing.turn_and_flip``.
        config: sizes and budget.
        seed: of the weights, the order of the images and the changes.

    Returns:
        The classifier, in evaluation mode.

    Raises:
        ValueError: if a class is missing, the weight is not above 0, or ``change`` makes images of
            another shape.
    """
    require_both(photographs)
    if not 0 < positive_weight < math.inf:
        raise ValueError(f"positive_weight must be a number above 0, got {positive_weight}")
    images, labels = photographs.images, photographs.labels
    batch_size = min(config.batch_size, len(images))
    with seeded_weights(as_count(seed, "seed", at_least=0)):
        sizes = ConvDiscriminatorConfig(tuple(images.shape[1:]), config.channels)
        classifier = ConvDiscriminator(sizes).to(images)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    rng = torch.Generator().manual_seed(seed)
    batches = ShuffledTuples((images, labels), batch_size, rng=rng)
    n_steps = -(-config.n_images // batch_size)
    for step in range(n_steps):
        x, y = next(batches)
        if change is not None:
            x = _changed(x, change, rng)
        weight = torch.where(y == 1, positive_weight, 1.0)
        loss = F.binary_cross_entropy_with_logits(classifier(x), y.float(), weight=weight)
        optimizer.param_groups[0]["lr"] = (
            config.learning_rate * (1 + math.cos(math.pi * step / n_steps)) / 2
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


def _changed(
    images: Float[Tensor, "B C H W"], change: Change, rng: torch.Generator
) -> Float[Tensor, "B C H W"]:
    changed = change(images, rng)
    if changed.shape != images.shape:
        raise ValueError(
            f"change must keep the shape {tuple(images.shape)} of a batch, got "
            f"{tuple(changed.shape)}"
        )
    return changed


@torch.no_grad()
def patient_scores(
    classifier: ConvDiscriminator, photographs: Photographs
) -> tuple[Float[Tensor, " P"], Int64[Tensor, " P"]]:
    """Mean logit of each patient's photographs, and the patient's class.

    A patient counts once, however many photographs there are: photographs of one patient are not
    independent.

    Raises:
        ValueError: if there is no photograph, or a patient has photographs of both classes.
    """
    if not len(photographs):
        raise ValueError("there is no photograph, so no patient to score")
    with evaluation_mode(classifier):
        logits = classifier(photographs.images)
    patients, index = photographs.patients.unique(return_inverse=True)
    count = logits.new_zeros(len(patients)).index_add_(0, index, torch.ones_like(logits))
    total = torch.zeros_like(count).index_add_(0, index, logits)
    labels = torch.zeros_like(patients).index_copy_(0, index, photographs.labels)
    if not torch.equal(labels[index], photographs.labels):
        raise ValueError("a patient has photographs of both classes; each patient needs one class")
    return total / count, labels


def auroc(scores: Float[Tensor, " N"], labels: Shaped[Tensor, " N"]) -> float:
    r"""Area under the ROC curve, as the statistic of Mann and Whitney.

    .. math:: \frac{1}{n_1 n_0} \sum_{i: y_i = 1} \sum_{j: y_j = 0}
              \left(\mathbb{1}[s_i > s_j] + \tfrac12 \mathbb{1}[s_i = s_j]\right)

    It is the probability that a random positive has a higher score than a random negative; 0.5 is
    guessing.

    Raises:
        ValueError: if a class is missing, a score is NaN or infinite, or the labels are not one of
            0 and 1 for each score.
    """
    positive, negative = _by_class(scores, labels)
    ordered = negative.sort().values
    below, up_to = (torch.searchsorted(ordered, positive, right=right) for right in (False, True))
    return float((below + up_to).double().mean()) / (2 * len(negative))


def sensitivity(
    scores: Float[Tensor, " N"], labels: Shaped[Tensor, " N"], *, specificity: float = 0.9
) -> float:
    """Share of the positives above a threshold that leaves this share of the negatives below it.

    The threshold is the smallest score of a negative for which that holds; what is equal to it is
    not above it.

    Raises:
        ValueError: as :func:`auroc`, and if the specificity is not a share of 0 to 1.
    """
    if not 0 < specificity <= 1:
        raise ValueError(f"specificity must be above 0 and at most 1, got {specificity}")
    positive, negative = _by_class(scores, labels)
    place = max(1, math.ceil(specificity * len(negative) - 1e-9))
    threshold = negative.sort().values[place - 1]
    return float((positive > threshold).double().mean())


def _by_class(
    scores: Float[Tensor, " N"], labels: Shaped[Tensor, " N"]
) -> tuple[Float[Tensor, " n_positive"], Float[Tensor, " n_negative"]]:
    scores = as_floats(scores, "scores", "Counts become scores by .float().")
    classes = as_tensor(labels, "labels").to(scores.device)
    if scores.ndim != 1 or classes.shape != scores.shape:
        raise ValueError(
            f"expected scores and labels of one shape (N,), got {tuple(scores.shape)} and "
            f"{tuple(classes.shape)}"
        )
    is_positive: Bool[Tensor, " N"] = classes == 1
    if not bool((is_positive | (classes == 0)).all()):
        raise ValueError("labels must be 1 for the rare class and 0 for the other")
    if not 0 < int(is_positive.sum()) < len(classes):
        raise ValueError("both classes need at least one score; all labels are the same")
    return scores[is_positive], scores[~is_positive]


def split_by_image(
    photographs: Photographs, n_test: int, *, rng: torch.Generator
) -> tuple[Photographs, Photographs]:
    """Deal photographs to a training and a test set at random: the same patient may be in both.

    That is the mistake: what is measured is whether a patient is recognised.

    Raises:
        ValueError: if no photograph is left to learn from.
    """
    if as_count(n_test, "n_test") >= len(photographs):
        raise ValueError(
            f"n_test of {n_test} leaves none of {len(photographs)} photographs to learn from"
        )
    order = torch.randperm(len(photographs), generator=require_rng(rng), device=rng.device)
    return photographs.take(order[n_test:]), photographs.take(order[:n_test])


def split_by_patient(
    photographs: Photographs, n_test: int, *, rng: torch.Generator
) -> tuple[Photographs, Photographs]:
    """Deal patients to a training and a test set at random, with all their photographs.

    Patients go to the test until it has ``n_test`` photographs or more.

    Raises:
        ValueError: if no patient is left to learn from.
    """
    as_count(n_test, "n_test")
    patients = photographs.patients.unique()
    order = patients[torch.randperm(len(patients), generator=require_rng(rng), device=rng.device)]
    counts = torch.stack([(photographs.patients == patient).sum() for patient in order])
    chosen = order[: int((counts.cumsum(0) < n_test).sum()) + 1]
    if len(chosen) == len(patients):
        raise ValueError(
            f"n_test of {n_test} leaves none of {len(patients)} patients, with "
            f"{len(photographs)} photographs, to learn from"
        )
    in_test = torch.isin(photographs.patients, chosen)
    return photographs.take(~in_test), photographs.take(in_test)
