"""Telling a rare class of photographs, and measuring how well it was told."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from aigc_tutorial.apps.outlook.lesions import Photographs
from aigc_tutorial.config import Config
from aigc_tutorial.data import ShuffledTuples
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.gan import ConvDiscriminator, ConvDiscriminatorConfig
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import evaluation_mode, gradients_on, seeded_weights

Change = Callable[[Float[Tensor, "B C H W"], torch.Generator], Float[Tensor, "B C H W"]]
"""What is done to the images of a batch before they are learned from."""


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
        change: what is done to each batch of images first; see :func:`turn_and_flip`.
        config: sizes and budget.
        seed: of the weights, the order of the images and the changes.

    Returns:
        The classifier, in evaluation mode.
    """
    images, labels = photographs.images, photographs.labels
    batch_size = min(config.batch_size, len(images))
    with seeded_weights(as_count(seed, "seed", at_least=0)):
        sizes = ConvDiscriminatorConfig(tuple(images.shape[1:]), config.channels)
        classifier = ConvDiscriminator(sizes).to(images.device)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    rng = torch.Generator().manual_seed(seed)
    batches = ShuffledTuples((images, labels), batch_size, rng=rng)
    n_steps = -(-config.n_images // batch_size)
    for step in range(n_steps):
        x, y = next(batches)
        if change is not None:
            x = change(x, rng)
        weight = torch.where(y == 1, positive_weight, 1.0)
        loss = F.binary_cross_entropy_with_logits(classifier(x), y.float(), weight=weight)
        optimizer.param_groups[0]["lr"] = (
            config.learning_rate * (1 + math.cos(math.pi * step / n_steps)) / 2
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


def turn_and_flip(
    images: Float[Tensor, "B C H W"], rng: torch.Generator
) -> Float[Tensor, "B C H W"]:
    """Each square image in one of its eight positions, by chance: turned, and seen in a mirror."""
    position = torch.randint(8, (len(images),), generator=require_rng(rng), device=rng.device)
    changed = torch.empty_like(images)
    for k in range(8):
        rows = (position == k).nonzero()[:, 0].to(images.device)
        part = torch.rot90(images[rows], k % 4, (2, 3))
        changed[rows] = part.flip(3) if k >= 4 else part
    return changed


def add_noise(images: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Each image with noise of standard deviation 0.1 on every pixel."""
    noise = torch.randn(images.shape, generator=require_rng(rng), device=rng.device)
    return (images + 0.1 * noise.to(images)).clamp(-1, 1)


def oversample(photographs: Photographs) -> Photographs:
    """Repeat the rare class, as often as leaves it nearest to the size of the other."""
    counts = torch.bincount(photographs.labels, minlength=2).tolist()
    if not all(counts):
        raise ValueError(f"both classes need photographs, got {counts[0]} and {counts[1]}")
    positive = (photographs.labels == 1).nonzero()[:, 0]
    negative = (photographs.labels == 0).nonzero()[:, 0]
    return photographs.take(
        torch.cat([negative, positive.repeat(max(1, round(counts[0] / counts[1])))])
    )


def with_generated(photographs: Photographs, images: Float[Tensor, "N 1 H W"]) -> Photographs:
    """Join generated photographs of the rare class, of a patient −1 who is nobody."""
    ones = torch.ones_like(photographs.labels[:1]).expand(len(images))
    return Photographs(
        torch.cat([photographs.images, images.to(photographs.images)]),
        torch.cat([photographs.labels, ones]),
        torch.cat([photographs.patients, -ones]),
    )


@torch.no_grad()
def patient_scores(
    classifier: ConvDiscriminator, photographs: Photographs
) -> tuple[Float[Tensor, " P"], Int64[Tensor, " P"]]:
    """Mean logit of each patient's photographs, and the patient's class.

    A patient counts once, however many photographs there are: photographs of one patient are not
    independent.
    """
    with evaluation_mode(classifier):
        logits = classifier(photographs.images)
    patients, index = photographs.patients.unique(return_inverse=True)
    count = torch.zeros(len(patients), device=logits.device).index_add_(
        0, index, torch.ones_like(logits)
    )
    total = torch.zeros_like(count).index_add_(0, index, logits)
    labels = torch.zeros_like(patients).index_copy_(0, index, photographs.labels)
    return total / count, labels


def auroc(scores: Float[Tensor, " N"], labels: Shaped[Tensor, " N"]) -> float:
    r"""Area under the ROC curve, as the statistic of Mann and Whitney.

    .. math:: \frac{1}{n_1 n_0} \sum_{i: y_i = 1} \sum_{j: y_j = 0}
              \left(\mathbb{1}[s_i > s_j] + \tfrac12 \mathbb{1}[s_i = s_j]\right)

    It is the probability that a random positive has a higher score than a random negative; 0.5 is
    guessing.

    Raises:
        ValueError: if a class is missing.
    """
    positive, negative = _by_class(scores, labels)
    above = (positive[:, None] > negative).double() + 0.5 * (positive[:, None] == negative).double()
    return float(above.mean())


def sensitivity(
    scores: Float[Tensor, " N"], labels: Shaped[Tensor, " N"], *, specificity: float = 0.9
) -> float:
    """Share of the positives above a threshold that leaves this share of the negatives below it.

    The threshold is the smallest score of a negative for which that holds; what is equal to it is
    not above it.

    Raises:
        ValueError: if a class is missing, or the specificity is not a share of 0 to 1.
    """
    if not 0 < specificity <= 1:
        raise ValueError(f"specificity must be above 0 and at most 1, got {specificity}")
    positive, negative = _by_class(scores, labels)
    place = math.ceil(specificity * len(negative) - 1e-9)
    threshold = negative.sort().values[place - 1]
    return float((positive > threshold).double().mean())


def _by_class(
    scores: Float[Tensor, " N"], labels: Shaped[Tensor, " N"]
) -> tuple[Float[Tensor, " n_positive"], Float[Tensor, " n_negative"]]:
    is_positive: Bool[Tensor, " N"] = labels == 1
    if not 0 < int(is_positive.sum()) < len(labels):
        raise ValueError("both classes need at least one score; all labels are the same")
    return scores[is_positive], scores[~is_positive]


def split_by_image(
    photographs: Photographs, n_test: int, *, rng: torch.Generator
) -> tuple[Photographs, Photographs]:
    """Deal photographs to a training and a test set at random: the same patient may be in both.

    That is the mistake: what is measured is whether a patient is recognised.
    """
    order = torch.randperm(len(photographs), generator=require_rng(rng), device=rng.device)
    return photographs.take(order[as_count(n_test, "n_test") :]), photographs.take(order[:n_test])


def split_by_patient(
    photographs: Photographs, n_test: int, *, rng: torch.Generator
) -> tuple[Photographs, Photographs]:
    """Deal patients to a training and a test set at random, with all their photographs.

    Patients go to the test until it has ``n_test`` photographs or more.
    """
    as_count(n_test, "n_test")
    patients = photographs.patients.unique()
    order = patients[torch.randperm(len(patients), generator=require_rng(rng), device=rng.device)]
    counts = torch.stack([(photographs.patients == patient).sum() for patient in order])
    chosen = order[: int((counts.cumsum(0) < n_test).sum()) + 1]
    in_test = torch.isin(photographs.patients, chosen)
    return photographs.take(~in_test), photographs.take(in_test)
