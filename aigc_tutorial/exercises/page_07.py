"""Exercises of the page on tools and resources."""

import math
from collections.abc import Iterator
from typing import Any

import torch

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "07_resources"


def _images(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for shape in ((1, 28, 28), (3, 32, 32), (3, 5, 7)):
        yield float(1_000 * torch.rand((), generator=rng)), shape


@exercise(
    "bits-per-dimension",
    page=PAGE,
    level="warm-up",
    cases=_images,
    hint="divide by the number of values in an image, then change nats into bits.",
    remark="Papers on colour images count each channel of a pixel, so their bits per dimension are "
    "a third of the bits per pixel.",
    mistakes=[
        Mistake(
            lambda nats, shape: nats / math.prod(shape),
            "those are nats; a bit is log 2 nats.",
        ),
        Mistake(
            lambda nats, shape: nats / math.prod(shape) * math.log(2),
            "a bit is less than a nat, so there are more bits than nats.",
        ),
        Mistake(
            lambda nats, shape: nats / (shape[1] * shape[2] * math.log(2)),
            "a dimension is one value: each channel of a pixel counts.",
        ),
        Mistake(
            lambda nats, shape: nats / math.log(2),
            "those are the bits of the whole image.",
        ),
    ],
)
def bits_per_dimension(nats: float, shape: tuple[int, int, int]) -> float:
    """Bits per value of images of shape (C, H, W) that cost ``nats`` each."""
    return nats / (math.prod(shape) * math.log(2))


def _parts(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_parts in (3, 5):
        means = torch.rand(n_parts, generator=rng).tolist()
        counts = torch.randint(1, 2_000, (n_parts,), generator=rng).tolist()
        yield means, counts
    yield [1.0, 3.0], [999, 1]  # a last part of one token


@exercise(
    "whole-split",
    page=PAGE,
    level="core",
    cases=_parts,
    hint="add up the nats of all tokens, then divide by the number of all tokens.",
    remark="A mean over random batches is another number, and with few batches it depends on the "
    "luck of their draw.",
    mistakes=[
        Mistake(
            lambda means, counts: sum(means) / len(means),
            "a part with few tokens must not count as much as one with many.",
        ),
        Mistake(
            lambda means, counts: sum(m * n for m, n in zip(means, counts, strict=True)),
            "those are the nats of the whole text; divide by its tokens.",
        ),
        Mistake(
            lambda means, counts: sum(means) / sum(counts),
            "each mean stands for as many nats as its part has tokens times that.",
        ),
    ],
)
def whole_split_nll(means: list[float], counts: list[int]) -> float:
    """Nats per token of a text that was scored in parts.

    Part i has ``counts[i]`` tokens, and ``means[i]`` is the mean of their nats.
    """
    nats = sum(mean * n for mean, n in zip(means, counts, strict=True))
    return nats / sum(counts)


def _modes_and_samples(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((10, 50), (4, 9), (2, 5), (7, 3), (1, 6), (30, 200))


def _sum_over_counts(n_modes: int, n_samples: int, term: Any) -> float:
    """Mean of a function of how many of the samples fall into one mode."""
    p = 1 / n_modes
    return sum(
        math.comb(n_samples, c) * p**c * (1 - p) ** (n_samples - c) * term(c)
        for c in range(n_samples + 1)
    )


@exercise(
    "floor-of-sampling",
    page=PAGE,
    level="research",
    cases=_modes_and_samples,
    hint="the count of one mode is binomial; take the mean of its term of the divergence, and all "
    "modes are alike.",
    remark="Divide your result by (K - 1) / 2N for 10 modes and more and more samples: it is far "
    "below 1 for one sample, above 1 for ten, and from there comes near 1. The short formula is "
    "for many samples per mode.",
    mistakes=[
        Mistake(
            lambda k, n: (k - 1) / (2 * n),
            "that is what it comes near with many samples; here they may be few.",
        ),
        Mistake(
            lambda k, n: _sum_over_counts(k, n, lambda c: c / n * math.log(k * c / n) if c else 0),
            "that is the term of one mode; there are K of them.",
        ),
        Mistake(
            lambda k, n: k * _sum_over_counts(k, n, lambda c: c / n * math.log(c / n) if c else 0),
            "that is minus the entropy of the shares; the divergence from equal shares has log K.",
        ),
        Mistake(lambda k, n: 0.0, "equal probabilities do not give equal counts."),
    ],
)
def floor_of_sampling(n_modes: int, n_samples: int) -> float:
    """Expected divergence of a perfect sampler, in nats.

    It draws ``n_samples`` from ``n_modes`` modes of equal probability. Return the mean of
    KL(shares of the modes among the samples ‖ equal shares), exactly. Samples are at most 1,000.
    """
    p, mean = 1 / n_modes, 0.0
    for count in range(1, n_samples + 1):
        probability = math.comb(n_samples, count) * p**count * (1 - p) ** (n_samples - count)
        mean += probability * count / n_samples * math.log(n_modes * count / n_samples)
    return n_modes * mean
