"""Exercises of the page on results: how to tell a good generator from a good story."""

import math
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "05_4_results"


def _gaussians(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.0, 1.0, 0.0, 1.0), (0.0, 1.0, 3.0, 1.0), (1.0, 0.5, -1.0, 2.5))


@exercise(
    "frechet-1d",
    page=PAGE,
    level="warm-up",
    cases=_gaussians,
    hint="with one number instead of a matrix, the root of the product of the variances is the "
    "product of the standard deviations.",
    remark="It is the squared Wasserstein-2 distance: a shift by 3 costs 9.",
    mistakes=[
        Mistake(
            lambda m1, s1, m2, s2: math.sqrt((m1 - m2) ** 2 + (s1 - s2) ** 2),
            "the Fréchet distance as it is reported, FID included, is the square: no root.",
        ),
        Mistake(
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + (s1**2 - s2**2) ** 2,
            "compare the standard deviations, not the variances.",
        ),
        Mistake(
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + s1**2 + s2**2,
            "equal distributions must have distance 0: the term -2 sqrt(s1^2 s2^2) is missing.",
        ),
    ],
)
def frechet_distance_1d(
    mean_real: float, std_real: float, mean_fake: float, std_fake: float
) -> float:
    """Fréchet distance of two normal distributions on the line.

    In general it is |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)), with covariances S.
    """
    return (mean_real - mean_fake) ** 2 + (std_real - std_fake) ** 2


def _share_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield (torch.full((10,), 0.1),)
    yield (torch.rand(10, generator=rng).softmax(0),)
    yield (torch.tensor([0.5, 0.5] + [0.0] * 8),)


@exercise(
    "kl-to-uniform",
    page=PAGE,
    level="core",
    cases=_share_cases,
    hint="sum p log(p / (1/10)); where p is 0 the term is 0, since p log p goes to 0.",
    remark="Ten digits of which two are left: log(10 / 2) = 1.61 nats.",
    mistakes=[
        Mistake(
            lambda p: (p * (10 * p).log()).sum(),
            "0 times minus infinity is not a number in floating point. torch.xlogy knows better.",
        ),
        Mistake(
            lambda p: -(10 * p).log().mean(),
            "this is the divergence the other way round, of uniform from p: it is infinite as "
            "soon as one digit is missing.",
        ),
        Mistake(
            lambda p: torch.xlogy(p, 10 * p).sum() / math.log(2),
            "this is in bits. The book counts in nats, with the natural logarithm.",
        ),
        Mistake(
            lambda p: -torch.xlogy(p, p).sum(),
            "this is the entropy. The divergence from uniform is log 10 less the entropy.",
        ),
    ],
)
def kl_to_uniform(shares: Float[Tensor, " 10"]) -> Float[Tensor, ""]:
    """Kullback-Leibler divergence, in nats, of the shares of ten digits from equal shares.

    0 when every digit has 1/10. A digit that never occurs must not spoil the result.
    """
    return torch.xlogy(shares, 10 * shares).sum()


def _test_sizes(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((100, 0.05), (2000, 0.05), (2000, 0.001))


@exercise(
    "two-sample-threshold",
    page=PAGE,
    level="research",
    cases=_test_sizes,
    hint="the accuracy of guessing has mean 1/2 and standard deviation sqrt(1/4 / n). "
    "statistics.NormalDist().inv_cdf gives the quantile.",
    remark="With 2,000 held-out images 52 % is already suspicious; with 100 it says nothing.",
    mistakes=[
        Mistake(
            lambda n, level: (
                0.5 + statistics.NormalDist().inv_cdf(1 - level / 2) / math.sqrt(4 * n)
            ),
            "this is the two-sided test. Only an accuracy above 1/2 speaks against the generator.",
        ),
        Mistake(
            lambda n, level: 0.5 + statistics.NormalDist().inv_cdf(1 - level) * 0.5,
            "this is the spread of one guess. The mean of n guesses spreads less, by sqrt(n).",
        ),
        Mistake(
            lambda n, level: 0.5 + statistics.NormalDist().inv_cdf(1 - level) / math.sqrt(n),
            "the standard deviation of one fair guess is 1/2, not 1.",
        ),
    ],
)
def two_sample_threshold(n_held_out: int, level: float) -> float:
    """Accuracy above which a classifier has told real from generated images.

    It was tested on ``n_held_out`` images, half of each kind. If the two kinds were alike it would
    be guessing, and exceed the threshold with probability ``level``. Use the normal approximation
    of the binomial distribution, without a continuity correction.
    """
    quantile = statistics.NormalDist().inv_cdf(1 - level)
    return 0.5 + quantile * math.sqrt(0.25 / n_held_out)


def _copy_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_features in (2, 8):
        training = torch.randn(40, n_features, generator=rng)
        held_out = torch.randn(30, n_features, generator=rng)
        generated = torch.randn(12, n_features, generator=rng)
        noise = torch.randn(4, n_features, generator=rng)
        generated[:4] = training[:4] + 1e-4 * noise
        yield generated, training, held_out
    # On a line, where distances are known: the nearest held-out images lie 4 and 8 away.
    training = torch.arange(5.0)[:, None] * 100
    held_out = torch.cat([training[:1] + 4, training + 8, training[1:] + 9, training - 10])
    yield training[0] + torch.tensor([[1.0], [3.0], [4.0], [4.5], [5.0], [6.0]]), training, held_out


@exercise(
    "copied-or-new",
    page=PAGE,
    level="research",
    cases=_copy_cases,
    hint="torch.cdist gives all distances; take the minimum over the training images, for the "
    "generated and for the held-out ones.",
    remark="Distances between pixels miss a copy that was moved. Undo the move before you search: "
    "centre the ink of every image.",
    mistakes=[
        Mistake(
            lambda generated, training, held_out: (
                torch.cdist(generated, training).amin(1)
                < torch.cdist(held_out, training).amin(1).mean()
            ),
            "by this measure half of all real digits would be copies. No held-out image is a "
            "copy, so the limit is the smallest of their distances.",
        ),
        Mistake(
            lambda generated, training, held_out: (
                torch.cdist(generated, training).amin(1) < torch.cdist(training, training).amin()
            ),
            "the distance of a training image to itself is 0, and nothing is below that.",
        ),
        Mistake(
            lambda generated, training, held_out: (
                torch.cdist(generated, training).mean(1)
                < torch.cdist(held_out, training).mean(1).min()
            ),
            "a copy is near to one training image, not to all of them on average.",
        ),
        *(
            Mistake(
                lambda generated, training, held_out, share=share: (
                    torch.cdist(generated, training).amin(1)
                    < torch.cdist(held_out, training).amin(1).quantile(share)
                ),
                "by this measure some real images would be copies too, as many as the quantile "
                "says. The limit here is the smallest of their distances.",
            )
            for share in (0.01, 0.05)
        ),
    ],
)
def copied(
    generated: Float[Tensor, "B F"],
    training: Float[Tensor, "N F"],
    held_out: Float[Tensor, "M F"],
) -> Bool[Tensor, " B"]:
    """Say of each generated image (B, F) whether it was copied from the training set (N, F).

    Call it a copy if it is nearer to its nearest training image than every real held-out image
    (M, F) is to its own. Distances are Euclidean.
    """
    to_training = torch.cdist(generated, training).amin(dim=1)
    limit = torch.cdist(held_out, training).amin(dim=1).min()
    return to_training < limit


def _mixture_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    good = 175 + 30 * torch.randn(20, generator=rng)
    junk = torch.full((20,), 28 * 28 * math.log(8))
    yield good, junk, 0.01
    yield good, good, 0.25
    yield good, good + torch.randn(20, generator=rng), 0.5


@exercise(
    "mixture-nats",
    page=PAGE,
    level="core",
    cases=_mixture_cases,
    hint="probabilities are mixed, not their logarithms: p = share * exp(-nats_good) + ... . "
    "torch.logaddexp adds two numbers that are given as logarithms.",
    remark="With one image in a hundred from the good model, log 100 = 4.6 nats are lost, never "
    "more. A likelihood does not see that the other 99 are junk.",
    mistakes=[
        Mistake(
            lambda good, junk, share: (share * good + (1 - share) * junk).mean(),
            "this mixes the logarithms. A mixture adds probabilities.",
        ),
        Mistake(
            lambda good, junk, share: (
                -(share * (-good).exp() + (1 - share) * (-junk).exp()).log().mean()
            ),
            "right on paper. But exp(-175) is 0 in single precision: stay with logarithms.",
        ),
        Mistake(
            lambda good, junk, share: -torch.logaddexp(-good, -junk).mean(),
            "the shares are missing: add log(share) and log(1 - share) first.",
        ),
        Mistake(
            lambda good, junk, share: torch.logaddexp(
                good + math.log(share), junk + math.log(1 - share)
            ).mean(),
            "nats are minus the log-probability: turn the sign before adding, and after it.",
        ),
    ],
)
def mixture_nats(
    nats_good: Float[Tensor, " B"], nats_junk: Float[Tensor, " B"], share_good: float
) -> Float[Tensor, ""]:
    """Nats per image, on average, under a mixture of two models.

    The mixture draws an image from the good model with probability ``share_good``, else from the
    other one. Given are -log p(x) of each of B images under either model, in single precision.
    """
    from_good = math.log(share_good) - nats_good
    from_junk = math.log(1 - share_good) - nats_junk
    return -torch.logaddexp(from_good, from_junk).mean()
