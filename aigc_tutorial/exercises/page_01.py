"""Exercises of the page on the background."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "01_background"


def _bills(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield 2.5, 0.10
    yield 8.0, 0.90
    yield 0.5, 3.60


@exercise(
    "price-of-thousand",
    page=PAGE,
    level="warm-up",
    cases=_bills,
    hint="first the seconds that 1,000 samples take, then the hours, then the price.",
    remark="Now put in a GPU: some twenty times the price an hour. What must its rate be to pay?",
    mistakes=[
        Mistake(
            lambda rate, price_per_hour: 1000 / rate * price_per_hour,
            "the price is that of an hour, and the time is in seconds.",
        ),
        Mistake(
            lambda rate, price_per_hour: 1000 * rate * price_per_hour / 3600,
            "with your formula a faster machine would cost more.",
        ),
    ],
)
def price_of_thousand(rate: float, price_per_hour: float) -> float:
    """Price of 1,000 samples on a machine that makes ``rate`` of them a second.

    ``price_per_hour`` is what the machine costs an hour.
    """
    return 1000 / rate / 3600 * price_per_hour


def _distances(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    unseen = 5 + torch.rand(40, generator=rng, dtype=torch.float64)
    for shift, n in ((-0.5, 30), (0.0, 40), (0.7, 50)):
        yield 5 + shift + torch.rand(n, generator=rng, dtype=torch.float64), unseen
    # One sample in two is an exact copy, the others lie far away: the medians say nothing.
    yield torch.tensor([0.0, 9.0] * 20, dtype=torch.float64), unseen
    yield torch.tensor([1.0, 2.0, 2.0]).double(), torch.tensor([2.0, 3.0]).double()


def _below_the_median(generated: Tensor, unseen: Tensor) -> float:
    return float((generated < unseen.median()).double().mean())


def _further(generated: Tensor, unseen: Tensor) -> float:
    return 1 - copying_statistic(generated, unseen)


@exercise(
    "copying-statistic",
    page=PAGE,
    level="core",
    cases=_distances,
    hint="compare every generated distance with every unseen one; a tie counts one half.",
    remark="What does it give for the two histograms of this page? What would a thief get?",
    mistakes=[
        Mistake(_below_the_median, "compare with each unseen distance, not with their median."),
        Mistake(_further, "count the pairs in which the generated sample is the nearer one."),
        Mistake(
            lambda generated, unseen: float((generated[:, None] < unseen[None]).double().mean()),
            "a tie counts one half, or two equal lists would not give one half.",
        ),
    ],
)
def copying_statistic(generated: Float64[Tensor, " N"], unseen: Float64[Tensor, " M"]) -> float:
    """How often a generated sample lies nearer to the training data than an unseen real one.

    Both hold distances to the nearest training example. The answer is the share of all N x M pairs
    in which the generated distance is the smaller one; of equal ones each counts one half. It is
    1/2 when both are distributed alike.
    """
    difference = unseen[None] - generated[:, None]
    return float((difference.sign() / 2 + 0.5).mean())


def _mixtures(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for t, s in ((0.9, 0.8), (0.5, 0.45), (0.1, 0.0)):
        yield (
            torch.randn(4, 2, generator=rng),
            torch.randn(4, 2, generator=rng),
            t,
            s,
        )


def _data_point(x_t: Tensor, clean: Tensor, t: float, s: float) -> Tensor:
    return clean


def _noise_from_nowhere(x_t: Tensor, clean: Tensor, t: float, s: float) -> Tensor:
    noise = x_t - math.cos(math.pi / 2 * t) * clean
    return math.cos(math.pi / 2 * s) * clean + math.sin(math.pi / 2 * s) * noise


@exercise(
    "denoising-step",
    page=PAGE,
    level="core",
    cases=_mixtures,
    hint="first the noise that the guessed data point implies, then the mixture for the time s.",
    remark="If the guess is exact, all times s lie on one arc: the step could be of any size.",
    mistakes=[
        Mistake(
            _data_point,
            "you jumped to the data point in one step; for the time s mix the noise in again.",
        ),
        Mistake(
            _noise_from_nowhere,
            "the noise went into the mixture with the weight sin(πt/2); divide by it.",
        ),
    ],
)
def denoising_step(
    x_t: Float[Tensor, "B 2"], clean: Float[Tensor, "B 2"], t: float, s: float
) -> Float[Tensor, "B 2"]:
    """Go from time t > 0 to the earlier time s, given a guess of the data point in ``x_t``.

    The mixture at time t is cos(πt/2) data + sin(πt/2) noise.
    """
    noise = (x_t - math.cos(math.pi / 2 * t) * clean) / math.sin(math.pi / 2 * t)
    return math.cos(math.pi / 2 * s) * clean + math.sin(math.pi / 2 * s) * noise


def _streams(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    candidates = [1.0, 3.0, 10.0, 40.0, math.inf]
    steady = torch.randint(3, (150,), generator=rng)
    changing = torch.cat([torch.arange(60) % 3, torch.arange(60, 0, -1) % 3])
    noisy = torch.where(torch.rand(120, generator=rng) < 0.2, steady[:120], changing)
    for states in (steady, changing, noisy):
        yield states.tolist(), 3, candidates


def _surprise(
    states: list[int],
    n_states: int,
    half_life: float,
    *,
    late: bool = False,
    fading: str = "row",
    first: float = 0.1,
) -> float:
    """Total surprise of counts that fade; ``late`` counts a step before it is scored."""
    counts = torch.full((n_states, n_states), first, dtype=torch.float64)
    total = 0.0
    for a, b in pairwise(states):
        before = counts[a, b] / counts[a].sum()
        counts[a if fading == "row" else slice(None)] *= 2 ** (-1 / half_life)
        counts[a, b] += 1
        total -= math.log(counts[a, b] / counts[a].sum() if late else before)
    return total


def _best(
    states: list[int], n_states: int, candidates: list[float], **options: Any
) -> tuple[float, float]:
    totals = [_surprise(states, n_states, h, **options) for h in candidates]
    return candidates[totals.index(min(totals))], min(totals)


@exercise(
    "best-half-life",
    page=PAGE,
    level="research",
    cases=_streams,
    hint="for each candidate go through the steps: score the step first, then count it.",
    remark="You chose in hindsight. Can a model choose while it runs, and what does it pay?",
    mistakes=[
        Mistake(
            lambda *a: _best(*a, late=True),
            "you counted a step before you scored it, so the model had seen the answer.",
        ),
        Mistake(
            lambda states, n_states, candidates: max(
                ((h, _surprise(states, n_states, h)) for h in candidates), key=lambda pair: pair[1]
            ),
            "you took the worst: a surprise is a cost.",
        ),
        Mistake(
            lambda *a: _best(*a, fading="table"),
            "only the row of the state that was left fades, not the whole table.",
        ),
        Mistake(
            lambda *a: _best(*a, first=1.0),
            "the counts begin at 0.1, not at 1: a new row is soon forgotten.",
        ),
        Mistake(
            lambda states, n_states, candidates: (
                (best := _best(states, n_states, candidates))[0],
                best[1] / (len(states) - 1),
            ),
            "this is the mean over the steps. The total is asked for.",
        ),
    ],
)
def best_half_life(
    states: list[int], n_states: int, candidates: list[float]
) -> tuple[float, float]:
    """The half-life with which a chain is least surprising, and its total surprise in nats.

    The counts begin at 0.1. A step from a to b costs -log(counts[a, b] / sum of counts[a]); then
    row a is multiplied by 2 ** (-1 / half_life) and the step counts 1. Return the best one of the
    candidates and the sum of the costs of all steps with it.
    """
    totals = []
    for half_life in candidates:
        counts = torch.full((n_states, n_states), 0.1, dtype=torch.float64)
        total = 0.0
        for a, b in pairwise(states):
            total -= math.log(counts[a, b] / counts[a].sum())
            counts[a] *= 2 ** (-1 / half_life)
            counts[a, b] += 1
        totals.append(total)
    return candidates[totals.index(min(totals))], min(totals)
