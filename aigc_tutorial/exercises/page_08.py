"""Exercises of the summary, which bind the chapters together."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "08_summary"


def _lineages(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((1.0, 10, 5), (4.0, 3, 2), (0.5, 100, 1), (2.0, 2, 0), (1.0, 5, 12))


@exercise(
    "variance-left",
    page=PAGE,
    level="warm-up",
    cases=_lineages,
    hint="each generation keeps the share 1 - 1/n of the variance before it, on average.",
    remark="The mean is kind: most lines of descent have less, since a few have much more.",
    mistakes=[
        Mistake(
            lambda variance, n, k: variance * (1 - k / n),
            "each generation loses a share of what is left, not of what was there at first.",
        ),
        Mistake(
            lambda variance, n, k: variance * math.exp(-k / n),
            "that is near it for large n; the share that is kept is 1 - 1/n exactly.",
        ),
        Mistake(
            lambda variance, n, k: variance * (n / (n - 1)) ** k,
            "it shrinks: the fitted mean lies in the middle of its own samples.",
        ),
        Mistake(
            lambda variance, n, k: variance * (1 - 1 / n),
            "that is one generation; there are k of them.",
        ),
        Mistake(
            lambda variance, n, k: variance * (1 - 1 / n) ** (2 * k),
            "that is the share squared; the equation is about the variance already.",
        ),
    ],
)
def variance_left(variance: float, n_samples: int, n_generations: int) -> float:
    """Expected variance of a normal distribution that learned from its own samples.

    ``n_generations`` times, ``n_samples`` are drawn from it and a new one is fitted to them, by
    maximum likelihood. The first one has the given variance.
    """
    return variance * (1 - 1 / n_samples) ** n_generations


def _shares(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_kinds, n in ((5, 3), (40, 20), (2, 1)):
        weights = torch.rand(n_kinds, generator=rng, dtype=torch.float64)
        yield weights / weights.sum(), n
    yield torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), 4  # one that cannot occur


@exercise(
    "kinds-lost",
    page=PAGE,
    level="core",
    cases=_shares,
    hint="a kind of share p is in none of n samples with the probability (1 - p)^n.",
    remark="A kind that is lost has the share 0 in the next model, and 0 it stays. A language "
    "model gives no token the share 0; what it loses is nearly 0, and as hard to get back.",
    mistakes=[
        Mistake(
            lambda shares, n: float((1 - (1 - shares) ** n).sum()),
            "that is how many are still there.",
        ),
        Mistake(
            lambda shares, n: float((-n * shares).exp().sum()),
            "that is near it when all kinds are rare; here it is (1 - p)^n.",
        ),
        Mistake(
            lambda shares, n: int((shares * n < 1).sum()),
            "a kind that is expected less than once may occur, and one expected twice may not.",
        ),
        Mistake(
            lambda shares, n: float(((1 - shares) ** n).mean()),
            "that is the share of the kinds; asked is their number.",
        ),
    ],
)
def kinds_lost(shares: Float[Tensor, " K"], n: int) -> float:
    """Expected number of kinds that are in none of n samples, given the share of each kind."""
    return float(((1 - shares) ** n).sum())


def _costs(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield (100.0, 0.5, 40.0, 2.0)  # exactly equal at 40
    yield (100.0, 0.5, 41.0, 2.0)
    yield (10.0, 1.0, 20.0, 3.0)  # cheaper before the first sample
    yield (50.0, 2.0, 10.0, 2.0)  # never
    yield (50.0, 3.0, 10.0, 2.0)
    yield (20.0, 0.25, 20.0, 0.5)
    yield (10.0, 3.0, 20.0, 2.0)  # cheaper before the first sample, though dearer for each


def _crossing(a: float, b: float, c: float, d: float) -> float:
    return (a - c) / (d - b) if d != b else math.inf


@exercise(
    "break-even",
    page=PAGE,
    level="core",
    cases=_costs,
    hint="compare training plus n times the cost of a sample; mind that equal is not cheaper, and "
    "that it may never happen.",
    remark="Take the seconds from the cards and from the table of this page. Then ask whether both "
    "are good enough for your purpose: a cheaper sample that nobody wants is not cheap.",
    mistakes=[
        Mistake(
            _crossing,
            "that is where the two lines cross; asked is a whole number of samples.",
        ),
        Mistake(
            lambda a, b, c, d: math.ceil(max(_crossing(a, b, c, d), 0)) if d > b else math.inf,
            "at the crossing itself both cost the same, and that is not cheaper yet.",
        ),
        Mistake(
            lambda a, b, c, d: math.floor(_crossing(a, b, c, d)) + 1 if d > b else math.inf,
            "where the GAN was cheaper to train, it is so from the beginning: 0 samples.",
        ),
        Mistake(
            lambda a, b, c, d: max(0, math.floor(_crossing(a, b, c, d)) + 1) if d > b else math.inf,
            "a GAN that was cheaper to train costs less before the first sample, even where each "
            "of its samples is dearer.",
        ),
    ],
)
def break_even(train_gan: float, sample_gan: float, train_ar: float, sample_ar: float) -> float:
    """Smallest number of samples, 0 or more, for which the GAN costs less in all.

    Given are the seconds of training of each model, and those that one sample takes. Return
    ``math.inf`` if the GAN never costs less.
    """
    if train_gan < train_ar:
        return 0
    if sample_gan >= sample_ar:
        return math.inf
    return math.floor((train_gan - train_ar) / (sample_ar - sample_gan)) + 1


def _nats(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_real, n_generated, shift, spread in (
        (30, 50, 0.5, 1.0),
        (8, 5, -2.0, 3.0),
        (40, 12, 0.0, 0.2),
    ):
        real = 80 + torch.randn(n_real, generator=rng, dtype=torch.float64)
        generated = (
            80 + shift + spread * torch.randn(n_generated, generator=rng, dtype=torch.float64)
        )
        yield real, generated


def _apart(real: Tensor, generated: Tensor, correction: int = 1) -> Tensor:
    parts = [x.var(correction=correction) / len(x) for x in (real, generated)]
    return (generated.mean() - real.mean()) / (parts[0] + parts[1]).sqrt()


@exercise(
    "judged-apart",
    page=PAGE,
    level="research",
    cases=_nats,
    hint="the difference of the two means, divided by the root of the sum of both squared standard "
    "errors.",
    remark="Near 0 it proves nothing: a generator that writes the same likely sentence for ever "
    "costs fewer nats than people do. So look at both signs, and at the variety.",
    mistakes=[
        Mistake(
            lambda real, generated: generated.mean() - real.mean(),
            "whether a difference is large depends on how much each mean varies by chance.",
        ),
        Mistake(
            lambda real, generated: _apart(generated, real),
            "asked is generated less real, positive if the generated are the less probable.",
        ),
        Mistake(
            lambda real, generated: (
                (generated.mean() - real.mean()) / (real.var() + generated.var()).sqrt()
            ),
            "that divides by the spread of single samples; that of a mean is smaller.",
        ),
        Mistake(
            lambda real, generated: _apart(real, generated, correction=0),
            "estimate each variance with n - 1: the mean was taken from the same numbers.",
        ),
        Mistake(
            lambda real, generated: _apart(real, generated).abs(),
            "keep the sign: it says which of the two the judge finds more probable.",
        ),
    ],
)
def judged_apart(nats_real: Float[Tensor, " N"], nats_generated: Float[Tensor, " M"]) -> float:
    """How many standard errors lie between real and generated samples, for a judge.

    The judge is an autoregressive model that gave each sample its nats, -log p. Return the mean of
    the generated ones less that of the real ones, in standard errors of this difference.
    """
    difference = nats_generated.mean() - nats_real.mean()
    squared = nats_real.var() / len(nats_real) + nats_generated.var() / len(nats_generated)
    return float(difference / squared.sqrt())
