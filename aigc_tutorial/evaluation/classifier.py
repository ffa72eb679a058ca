"""A small digit classifier: it names digits, and its last hidden layer is the feature space.

Distances between sets of images are taken between their features, never between pixels. For
photographs the field uses the 2,048 features of an Inception network (Heusel et al. 2017). That
network has never seen a handwritten digit, so this module trains one that has.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.config import Config
from aigc_tutorial.data.checks import (
    Samples,
    as_classes,
    as_images,
    require_finite,
    require_rng,
    require_same_length,
)
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import Pretrained, autocast_off, evaluation_mode, gradients_on, seeded_weights


@dataclass(frozen=True)
class DigitClassifierConfig(Config):
    """Sizes of a :class:`DigitClassifier`.

    Attributes:
        image_shape: Channels, height and width of an image.
        widths: Channels of the five convolutions. The second, fourth and fifth halve the image.
        n_features: Size F of the feature vector, the input of the last linear layer.
        n_classes: Number of classes.
    """

    image_shape: tuple[int, int, int] = (1, 28, 28)
    widths: tuple[int, int, int, int, int] = (16, 32, 48, 64, 64)
    n_features: int = 64
    n_classes: int = 10

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("image_shape", "widths", "n_features", "n_classes", at_least=1)


class DigitClassifier(Pretrained):
    """Five convolutions, one hidden linear layer of F units, one linear layer of logits.

    The features are the hidden layer after its ReLU. They have to tell the digits apart by a
    single linear map, so they hold what matters about a digit and little else.
    """

    config_class = DigitClassifierConfig
    config: DigitClassifierConfig

    def __init__(self, config: DigitClassifierConfig = DigitClassifierConfig()) -> None:
        """Build the layers; their weights come from torch's global generator.

        Args:
            config: Sizes of the network.
        """
        super().__init__(config)
        channels, height, width = config.image_shape
        strides = (1, 2, 1, 2, 2)
        layers: list[nn.Module] = []
        for n_out, stride in zip(config.widths, strides, strict=True):
            layers += [
                nn.Conv2d(channels, n_out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            ]
            channels = n_out
            height, width = math.ceil(height / stride), math.ceil(width / stride)
        self.body = nn.Sequential(*layers)
        self.hidden = nn.Linear(channels * height * width, config.n_features)
        self.head = nn.Linear(config.n_features, config.n_classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that the network takes."""
        return self.config.image_shape

    def features(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        """Hidden layer after its ReLU.

        Args:
            x: Images in [-1, 1], float32.

        Returns:
            Non-negative features, float32.

        Raises:
            ValueError: If the images do not have the shape of ``image_shape``.
        """
        if tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(
                f"The classifier takes images of shape {self.image_shape} (channels, height, "
                f"width), got {tuple(x.shape[1:])}. Resize or crop them first."
            )
        return F.relu(self.hidden(self.body(x).flatten(1)))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the classes.

        Args:
            x: Images in [-1, 1], float32.

        Returns:
            One logit a class; their softmax is the probability of each class.
        """
        return self.head(self.features(x))


@dataclass(frozen=True)
class Prediction:
    """What the classifier says about a set of images.

    Attributes:
        features: Features, float32.
        logits: Logits of the classes, float32.
    """

    features: Float[Tensor, "N F"]
    logits: Float[Tensor, "N K"]

    @property
    def labels(self) -> Int64[Tensor, " N"]:
        """Class with the largest logit."""
        return self.logits.argmax(dim=1)


@autocast_off()
@torch.no_grad()
def predict(classifier: DigitClassifier, images: Samples, *, batch_size: int = 500) -> Prediction:
    """Features and logits of many images, in evaluation mode and without gradients.

    Args:
        classifier: The network. It is set to evaluation mode for the call and set back after it.
        images: Images in [-1, 1] (N, C, H, W), on any device. Each batch is moved to the
            network's.
        batch_size: Images in one pass.

    Returns:
        Features and logits on the CPU.

    Raises:
        ValueError: If there is no image, or an image holds NaN or infinity or is not in [-1, 1], or
            if what the network makes of the images is NaN or infinite.
    """
    batch_size = as_count(batch_size, "batch_size")
    like = next(classifier.parameters())
    features, logits = [], []
    with evaluation_mode(classifier):
        for x in as_images(images).split(batch_size):
            found = classifier.features(x.to(like))
            features.append(found.float().cpu())
            logits.append(classifier.head(found).float().cpu())
    prediction = Prediction(torch.cat(features), torch.cat(logits))
    # The largest of logits with NaN would be class 0.
    require_finite(prediction.features, "the classifier's features of finite images")
    require_finite(prediction.logits, "the classifier's logits of finite images")
    return prediction


def accuracy(
    classifier: DigitClassifier,
    images: Samples,
    labels: Samples,
) -> float:
    """Share of the images that the classifier names as their labels do.

    Args:
        classifier: The network.
        images: Images in [-1, 1] (N, C, H, W).
        labels: Their classes (N,).

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If the images are none, if the numbers of images and labels differ, or if a
            label is no class of the classifier.
    """
    named = predict(classifier, images).labels
    classes = as_classes(labels, classifier.config.n_classes).cpu()
    require_same_length(named, classes, "images", "labels")
    return (named == classes).double().mean().item()


@dataclass(frozen=True)
class ClassifierTrainingConfig(Config):
    """How a :class:`DigitClassifier` is trained.

    Attributes:
        n_images: Training images to show, counted with repetition.
        batch_size: Images in one step.
        learning_rate: Peak rate of Adam; it rises for a tenth of the training and falls to zero.
        weight_decay: Decoupled weight decay (AdamW).
        max_shift: Largest random shift along each axis, in pixels.
        max_rotation: Largest random rotation, in degrees.
        max_zoom: Largest random zoom, as a share: .1 is from 0.9 to 1.1 times the size.
    """

    n_images: int = 600_000
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    max_shift: float = 2.0
    max_rotation: float = 10.0
    max_zoom: float = 0.1

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_images", "batch_size", at_least=1)
        self.require("learning_rate", above=0)
        self.require("weight_decay", "max_shift", "max_rotation", at_least=0)
        self.require("max_zoom", at_least=0, below=1)


def random_affine(
    x: Float[Tensor, "B C H W"], config: ClassifierTrainingConfig, *, rng: torch.Generator
) -> Float[Tensor, "B C H W"]:
    """Shift, turn and zoom every image by its own small random amounts.

    Args:
        x: Images in [-1, 1], where -1 is the background.
        config: Largest shift, rotation and zoom.
        rng: Source of the random amounts, on the CPU or on the device of the images.

    Returns:
        Images of the same shape. What comes in from outside the image is background.
    """
    height, width = x.shape[-2:]
    amounts = torch.rand(4, len(x), generator=require_rng(rng), device=rng.device, dtype=x.dtype)
    shift_x, shift_y, turn, zoom = 2 * amounts.to(x.device) - 1
    angle = turn * math.radians(config.max_rotation)
    scale = 1 + zoom * config.max_zoom
    cos, sin = angle.cos() / scale, angle.sin() / scale
    # affine_grid measures in half images: a shift of p pixels is 2 p / size, and where height and
    # width differ, so do the units of the two axes that a rotation mixes.
    shift_x = shift_x * 2 * config.max_shift / width
    shift_y = shift_y * 2 * config.max_shift / height
    to_x, to_y = -sin * (height / width), sin * (width / height)
    theta = torch.stack([cos, to_x, shift_x, to_y, cos, shift_y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    # Outside is filled with zeros, and the background is -1: move it to zero and back.
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


def require_finite_loss(loss: float, n_seen: int) -> None:
    """Stop a training of a classifier that diverges.

    Args:
        loss: Its latest loss.
        n_seen: Samples shown so far.

    Raises:
        FloatingPointError: If the loss is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The classifier's loss is {loss} after {n_seen:,} samples: the training has diverged. "
            "Choose a smaller learning_rate in its configuration."
        )


@autocast_off()
@gradients_on()
def train_classifier(
    images: Samples,
    labels: Samples,
    *,
    seed: int,
    config: ClassifierTrainingConfig = ClassifierTrainingConfig(),
    model_config: DigitClassifierConfig = DigitClassifierConfig(),
    on_step: Callable[[int, float], None] | None = None,
) -> DigitClassifier:
    """Train a digit classifier by cross-entropy on randomly moved images.

    The labels are not smoothed: smoothing draws the features of a class together (Müller et al.
    2019), and a feature space for distances has to keep the differences within a class.

    Args:
        images: Training images in [-1, 1] (N, C, H, W). They stay on their device, and the
            network is trained there.
        labels: Their classes (N,), from 0 to ``model_config.n_classes - 1``.
        seed: Seed of the initial weights, the order of the images and their movements. The same
            seed on the same machine with the same number of threads gives the same weights.
        config: Length and rates of the training.
        model_config: Sizes of the network.
        on_step: Called after every step with the number of images shown and the loss.

    Returns:
        The trained network in evaluation mode.

    Raises:
        ValueError: If there are fewer images than one batch, if the numbers of images and labels
            differ, if an image holds NaN or infinity or is not in [-1, 1], or if a label is no
            class.
        FloatingPointError: If the loss becomes NaN or infinite.
    """
    x_all = as_images(images)
    classes = as_classes(labels, model_config.n_classes).to(x_all.device)
    require_same_length(x_all, classes, "images", "labels")
    if len(x_all) < config.batch_size:
        raise ValueError(
            f"Training needs at least one batch of {config.batch_size} images, got {len(x_all)}. "
            "Give more images or a smaller ClassifierTrainingConfig.batch_size."
        )
    seed = as_count(seed, "seed", at_least=0)
    with seeded_weights(seed):
        model = DigitClassifier(model_config)
    model = model.to(x_all).to(memory_format=torch.channels_last).train()
    # Drawn on the CPU: the same order and the same movements on every device.
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    n_steps = max(1, config.n_images // config.batch_size)

    def rate(step: int) -> float:
        share = step / n_steps
        return min(10 * share + 1e-3, (1 - share) / 0.9)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    order = torch.empty(0, dtype=torch.int64, device=x_all.device)
    for step in range(1, n_steps + 1):
        if len(order) < config.batch_size:
            order = torch.randperm(len(x_all), generator=rng, device="cpu").to(x_all.device)
        chosen, order = order[: config.batch_size], order[config.batch_size :]
        x = random_affine(x_all[chosen], config, rng=rng)
        loss = F.cross_entropy(
            model(x.contiguous(memory_format=torch.channels_last)), classes[chosen]
        )
        optimizer.zero_grad()
        loss.backward()
        require_finite_loss(loss.item(), step * config.batch_size)
        optimizer.step()
        scheduler.step()
        if on_step is not None:
            on_step(step * config.batch_size, loss.item())
    for name, values in model.state_dict().items():
        require_finite(values, f"after the training, {name}")
    return model.to(memory_format=torch.contiguous_format).eval()
