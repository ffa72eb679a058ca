"""Exercises of the MNIST case study."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "04_3_mnist_case"


def _pixel_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n, size in ((1, 4), (5, 28)):
        pixels = torch.randint(0, 256, (n, size, size), generator=rng)
        pixels[0, 0, :2] = torch.tensor([0, 255])
        yield (pixels.to(torch.uint8),)


@exercise(
    "scale-pixels",
    page=PAGE,
    level="warm-up",
    cases=_pixel_cases,
    hint="0 must become -1, 255 must become 1, and a channel dimension goes behind the first.",
    remark="Generator and data now share the range of tanh.",
    mistakes=[
        Mistake(
            lambda pixels: pixels[:, None] / 255,
            "your values lie in [0, 1]. A generator that ends in tanh also makes negative pixels, "
            "and one negative pixel would tell the discriminator all.",
        ),
        Mistake(
            lambda pixels: pixels / 127.5 - 1,
            "the values are right, the shape is not: torch wants (N, C, H, W) with C = 1.",
        ),
        Mistake(
            lambda pixels: (pixels[:, None] * 2) / 255 - 1,
            "twice a byte does not fit into a byte: 200 * 2 is 144. Divide first, or turn the "
            "pixels into floats.",
        ),
        Mistake(
            lambda pixels: (pixels / 127.5 - 1)[..., None],
            "that is (N, H, W, C). Torch puts the channels before height and width.",
        ),
    ],
)
def scale_pixels(pixels: UInt8[Tensor, "N H W"]) -> Float[Tensor, "N 1 H W"]:
    """Turn grey bytes (N, H, W) into images (N, 1, H, W) with values in [-1, 1]."""
    return pixels[:, None].float() / 127.5 - 1


def _logit_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for scale in (1.0, 10.0, 200.0):  # at -200 a logarithm of a sigmoid is already -inf
        yield (scale * torch.randn(16, generator=rng),)


@exercise(
    "non-saturating-loss",
    page=PAGE,
    level="core",
    cases=_logit_cases,
    hint="-log sigmoid(a) is the same as softplus(-a); then take the mean.",
    remark="It also stays finite where log(sigmoid(a)) is minus infinity.",
    mistakes=[
        Mistake(
            lambda a: -F.softplus(a).mean(),
            "this is the saturating loss log(1 - D): its gradient vanishes where the generator "
            "is worst.",
        ),
        Mistake(
            lambda a: F.softplus(a).mean(),
            "this is the discriminator's term for generated images. The generator wants the "
            "opposite, so look at the sign of the logit.",
        ),
        Mistake(
            lambda a: -torch.log(torch.sigmoid(a)).mean(),
            "right on paper. In float32 sigmoid(-200) is 0 and its logarithm minus infinity; "
            "write the two functions as one.",
        ),
        Mistake(lambda a: F.softplus(-a).sum(), "take the mean over the batch, not the sum."),
    ],
)
def non_saturating_loss(logits_fake: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Loss of the generator, the mean of -log D(G(z)), from logits (B,).

    D is the sigmoid of the logit. The loss must stay finite for logits of any size.
    """
    return F.softplus(-logits_fake).mean()


def _label_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield (torch.arange(10).repeat(50),)
    yield (torch.cat([torch.zeros(100), torch.ones(300), torch.arange(2, 10).repeat(200)]).long(),)
    for weights in (
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        [30, 9, 9, 0.3, 9, 9, 9, 9, 3, 7],
        [1] + [0] * 9,
    ):
        yield (torch.multinomial(torch.tensor(weights).float(), 2000, True, generator=rng),)


@exercise(
    "missing-digits",
    page=PAGE,
    level="core",
    cases=_label_cases,
    hint="count each digit with torch.bincount and compare its share with half of 1/10.",
    remark="A generator can look perfect in a grid of 16 and still miss a digit.",
    mistakes=[
        Mistake(
            lambda labels: [
                d for d, n in enumerate(torch.bincount(labels)) if n / len(labels) < 0.05
            ],
            "bincount stops at the largest label that occurs, so a missing 9 has no entry at all: "
            "look at its argument minlength.",
        ),
        Mistake(
            lambda labels: [d for d in range(10) if not (labels == d).any()],
            "you found the digits that never occur. A digit with three samples in a thousand is "
            "lost too.",
        ),
        Mistake(
            lambda labels: [
                d
                for d, n in enumerate(torch.bincount(labels, minlength=10))
                if n / len(labels) < 0.1
            ],
            "by chance half of all digits lie below 1/10. The limit is half of that.",
        ),
    ],
)
def missing_digits(labels: Int64[Tensor, " N"]) -> list[int]:
    """Find mode collapse: the digits with less than half of their fair share.

    ``labels`` (N,) are the digits that a classifier saw in N generated images. Return a list of
    integers in rising order, empty if no digit is missing.
    """
    shares = torch.bincount(labels, minlength=10) / len(labels)
    return [digit for digit in range(10) if shares[digit] < 0.05]


def _network_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n, hidden in ((1, 4), (6, 8)):
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(16, hidden), nn.Tanh(), nn.Linear(hidden, 1)
        )
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=rng)
        network.append(nn.Flatten(0))
        yield network, torch.randn(n, 1, 4, 4, generator=rng)


def _penalty_and_gradient(arguments: tuple[Any, ...], penalty: Tensor) -> dict[str, Tensor]:
    network = arguments[0]
    penalty.backward()
    return {
        "the penalty": penalty,
        "the gradient that the penalty gives the first layer": network[1].weight.grad,
    }


def _input_gradient(
    discriminator: Callable[[Tensor], Tensor], x: Tensor, *, create_graph: bool = True
) -> Tensor:
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(discriminator(x).sum(), x, create_graph=create_graph)[0]


@exercise(
    "r1-penalty",
    page=PAGE,
    level="research",
    cases=_network_cases,
    observe=_penalty_and_gradient,
    hint="torch.autograd.grad(logits.sum(), x, create_graph=True) gives the gradient of each "
    "image's logit; square it and sum it over all but the first dimension.",
    remark="For a linear discriminator it is the squared length of the weight, everywhere.",
    mistakes=[
        Mistake(
            lambda d, x: (
                _input_gradient(d, x, create_graph=False).square().flatten(1).sum(1).mean()
            ),
            "the value is right, but nothing can learn from it: the gradient was computed without "
            "a graph of its own. See create_graph.",
        ),
        Mistake(
            lambda d, x: _input_gradient(d, x).square().mean(),
            "you averaged over the pixels as well. The squared norm of one image's gradient is a "
            "sum over its pixels; the mean runs over the images alone.",
        ),
        Mistake(
            lambda d, x: _input_gradient(d, x).flatten(1).norm(dim=1).mean(),
            "R1 takes the square of the norm.",
        ),
        Mistake(
            lambda d, x: _input_gradient(d, x).square().sum(),
            "take the mean over the images, not the sum.",
        ),
    ],
)
def r1_penalty(
    discriminator: Callable[[Tensor], Tensor], x_real: Float[Tensor, "B C H W"]
) -> Float[Tensor, ""]:
    """R1: mean over the batch of the squared norm of the logit's gradient at real images.

    ``discriminator`` maps images (B, C, H, W) to logits (B,). Leave the weight gamma / 2 out. The
    result will be minimised, so it must be differentiable with respect to the weights.
    """
    x = x_real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def _decay_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((10_000.0, 64), (500.0, 500), (100_000.0, 32))


@exercise(
    "ema-decay",
    page=PAGE,
    level="core",
    cases=_decay_cases,
    hint="after half_life_images / batch_size steps the product of the decays must be 1/2.",
    remark="Given in images, the half-life keeps its meaning when the batch size changes.",
    mistakes=[
        Mistake(
            lambda half_life, batch: 1 - batch / half_life,
            "for small batches this is nearly exp(-batch_size / half_life_images), which leaves "
            "1/e, not 1/2, after half_life_images.",
        ),
        Mistake(
            lambda half_life, batch: 2.718281828459045 ** (-batch / half_life),
            "this leaves 1/e, not 1/2, after half_life_images.",
        ),
        Mistake(
            lambda half_life, batch: 0.5 ** (1 / half_life),
            "this is the decay of one image. A step sees batch_size of them.",
        ),
    ],
)
def ema_decay(half_life_images: float, batch_size: int) -> float:
    """Decay of an average of weights: ``average = decay * average + (1 - decay) * weights``.

    The average is updated once a batch. Choose the decay so that what a weight was counts half
    after ``half_life_images`` images.
    """
    return 0.5 ** (batch_size / half_life_images)
