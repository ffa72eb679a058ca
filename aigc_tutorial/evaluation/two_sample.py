"""Classifier two-sample test: can a fresh classifier tell generated samples from real ones?

If not even a network trained for the purpose does better than a coin on samples that it has not
seen, the two sets may come from one distribution (Lopez-Paz & Oquab 2017). The test assumes no
feature space, and it is strict: today's generators of images fail it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_tutorial.config import Config
from aigc_tutorial.data.checks import (
    Samples,
    as_float32,
    on_one_device,
    require_finite,
    require_rng,
    require_same_range,
    require_same_shape,
    require_samples,
)
from aigc_tutorial.evaluation.classifier import require_finite_loss
from aigc_tutorial.nn import autocast_off, gradients_on, seeded_weights

_FEWEST = 4
"""Samples of a set: two to train on, since one has no standard deviation, and two to test."""


@dataclass(frozen=True)
class TwoSampleConfig(Config):
    """How the classifier of the test is trained.

    Attributes:
        n_samples_shown: Training samples to show, counted with repetition.
        batch_size: Samples in one step, half of them real.
        learning_rate: Rate of Adam; it falls linearly to zero.
        width: Width of the network: units of the hidden layers, or channels of the first
            convolution.
    """

    n_samples_shown: int = 60_000
    batch_size: int = 100
    learning_rate: float = 2e-3
    width: int = 32

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_samples_shown", "width", at_least=1)
        self.require("batch_size", at_least=2)
        self.require("learning_rate", above=0)


@dataclass(frozen=True)
class TwoSampleResult:
    """Outcome of a classifier two-sample test.

    Attributes:
        accuracy: Share of the held-out samples that were told apart rightly.
        n_test: Number of held-out samples, half of them real.
        standard_error: Standard error of the accuracy if both sets come from one distribution,
            ½ / √n_test.
        p_value: Probability of such an accuracy or a higher one if they do.
    """

    accuracy: float
    n_test: int
    standard_error: float
    p_value: float

    def __str__(self) -> str:
        """The finding in one line."""
        return (
            f"told apart with accuracy {self.accuracy:.1%} on {self.n_test:,} held-out samples "
            f"(by chance 50% ± {self.standard_error:.1%}), p = {self.p_value:.2g}"
        )


@autocast_off()
@gradients_on()
def classifier_two_sample_test(
    x_real: Samples,
    x_fake: Samples,
    *,
    rng: torch.Generator,
    config: TwoSampleConfig = TwoSampleConfig(),
) -> TwoSampleResult:
    """Train a classifier on half of the samples and count its successes on the other half.

    The larger set is cut to the size of the smaller, so that guessing gives one half. If both sets
    come from one distribution, the number of successes on the n held-out samples has mean n / 2
    and a variance of at most n / 4, whatever the classifier has learned; the p-value is that of
    the normal distribution with this variance.

    Args:
        x_real: Real samples: vectors (N, F) or images (N, C, H, W), on any device.
        x_fake: Generated samples of the same shape and range. No sample may be in both sets. If
            one of the sets is on an accelerator, the classifier is trained there.
        rng: CPU generator for the split, the initial weights and the order of the batches.
        config: Size and training of the classifier.

    Returns:
        Accuracy on the held-out half with its p-value.

    Raises:
        ValueError: If a set has fewer samples than two batches of it need, the shapes differ or
            are neither vectors nor images of one range, or there is NaN.
        FloatingPointError: If the classifier diverges.
    """
    require_rng(rng)
    real, fake = as_float32(x_real, "x_real"), as_float32(x_fake, "x_fake")
    require_same_shape(real, fake, "x_real", "x_fake")
    require_same_range(real, fake, "x_real", "x_fake")
    if real.ndim not in (2, 4):
        raise ValueError(
            f"Samples must be vectors (N, F) or images (N, C, H, W), got {tuple(real.shape)}."
        )
    half_batch = config.batch_size // 2
    for x, name in ((real, "x_real"), (fake, "x_fake")):
        require_samples(
            x,
            max(config.batch_size, _FEWEST),
            name,
            f"half are held out, and half a batch ({half_batch}) of each set is trained on",
        )
    real, fake = on_one_device(real, fake)
    n = min(len(real), len(fake))
    n_train = n // 2
    real = real[torch.randperm(len(real), generator=rng, device="cpu")[:n]]
    fake = fake[torch.randperm(len(fake), generator=rng, device="cpu")[:n]]
    # Inputs of any scale: the classifier sees them with mean 0 and variance 1.
    # Summed in float64: the square of a large float32 is infinite.
    deviation, centre = torch.std_mean(real[:n_train].cpu().double())
    mean, std = float(centre), float(deviation) or 1.0
    real, fake = (real - mean) / std, (fake - mean) / std
    for x, name in ((real, "x_real"), (fake, "x_fake")):
        require_finite(x, f"{name}, less the mean of x_real and divided by its deviation,")

    with seeded_weights(int(torch.randint(2**62, (), generator=rng, device=rng.device))):
        model = _fresh_classifier(tuple(real.shape[1:]), config.width).to(real)
    _train(model, real[:n_train], fake[:n_train], config, rng)

    model.eval()
    with torch.no_grad():
        logits_real, logits_fake = (
            torch.cat([model(part) for part in x[n_train:].split(1000)]) for x in (real, fake)
        )
    for logits in (logits_real, logits_fake):
        require_finite(logits, "the trained classifier's logits")
    n_right = int((logits_real > 0).sum()) + int((logits_fake <= 0).sum())
    n_test = 2 * (n - n_train)
    accuracy, standard_error = n_right / n_test, 0.5 / math.sqrt(n_test)
    z = (accuracy - 0.5) / standard_error
    return TwoSampleResult(accuracy, n_test, standard_error, math.erfc(z / math.sqrt(2)) / 2)


def _fresh_classifier(shape: tuple[int, ...], width: int) -> nn.Module:
    """A small network from one sample to one logit, large for real samples."""
    if len(shape) == 1:
        body = nn.Sequential(
            nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        n_out = width
    else:
        channels, height, width_image = shape
        body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        n_out = 2 * width * math.ceil(height / 4) * math.ceil(width_image / 4)
    return nn.Sequential(body, nn.Linear(n_out, 1), nn.Flatten(0))


def _train(
    model: nn.Module,
    real: Tensor,
    fake: Tensor,
    config: TwoSampleConfig,
    rng: torch.Generator,
) -> None:
    """Logistic regression of real against generated, with linearly falling rate."""
    half_batch = config.batch_size // 2
    n_steps = max(1, config.n_samples_shown // config.batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=n_steps)
    target = torch.cat([real.new_ones(half_batch), real.new_zeros(half_batch)])
    order_real = order_fake = torch.empty(0, dtype=torch.int64, device="cpu")
    for step in range(n_steps):
        if len(order_real) < half_batch:
            order_real = torch.randperm(len(real), generator=rng, device="cpu")
            order_fake = torch.randperm(len(fake), generator=rng, device="cpu")
        x = torch.cat([real[order_real[:half_batch]], fake[order_fake[:half_batch]]])
        order_real, order_fake = order_real[half_batch:], order_fake[half_batch:]
        loss = F.binary_cross_entropy_with_logits(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        require_finite_loss(loss.item(), (step + 1) * config.batch_size)
        optimizer.step()
        scheduler.step()
