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


def _bills(generator: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield 2_500.0, 0.10
    yield 8.0, 0.10
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


def _lines(generator: torch.Generator) -> Iterator[tuple[Any, ...]]:
    corpus = "the cat sat on the mat. the dog sat on the log."
    for line in ("the dog sat on the mat", "xyz", "", "a mat. the dog!", "on the log. the cat"):
        yield line, corpus


def _longest_word(line: str, corpus: str) -> int:
    return max((len(word) for word in line.split() if word in corpus), default=0)


def _from_the_start(line: str, corpus: str) -> int:
    return next((n for n in range(len(line), 0, -1) if line[:n] in corpus), 0)


@exercise(
    "longest-copied-run",
    page=PAGE,
    level="core",
    cases=_lines,
    hint="for each place to start, find how far you can go with all of it still in the corpus.",
    remark="`in` searches the corpus anew each time. An index of all its suffixes would be faster.",
    mistakes=[
        Mistake(_longest_word, "a copied run does not stop at the end of a word."),
        Mistake(_from_the_start, "a copied run may begin anywhere in the line."),
    ],
)
def longest_copied_run(line: str, corpus: str) -> int:
    """Length of the longest run of characters of ``line`` that stands in ``corpus`` as well."""
    best = 0
    for start in range(len(line)):
        while start + best < len(line) and line[start : start + best + 1] in corpus:
            best += 1
    return best


def _mixtures(generator: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for t, s in ((0.9, 0.8), (0.5, 0.45), (0.1, 0.0)):
        yield (
            torch.randn(4, 2, generator=generator),
            torch.randn(4, 2, generator=generator),
            t,
            s,
        )


def _without_mixing(x_t: Tensor, noise: Tensor, t: float, s: float) -> Tensor:
    return (x_t - math.sin(math.pi / 2 * t) * noise) / math.cos(math.pi / 2 * t)


def _without_division(x_t: Tensor, noise: Tensor, t: float, s: float) -> Tensor:
    clean = x_t - math.sin(math.pi / 2 * t) * noise
    return math.cos(math.pi / 2 * s) * clean + math.sin(math.pi / 2 * s) * noise


@exercise(
    "denoising-step",
    page=PAGE,
    level="core",
    cases=_mixtures,
    hint="first the data point that the guessed noise implies, then the mixture for the time s.",
    remark="If the guess is exact, all times s lie on one arc: the step could be of any size.",
    mistakes=[
        Mistake(
            _without_mixing,
            "you jumped to the data point in one step; for the time s mix the noise in again.",
        ),
        Mistake(
            _without_division,
            "the data point went into the mixture with the weight cos(πt/2); divide by it.",
        ),
    ],
)
def denoising_step(
    x_t: Float[Tensor, "B 2"], noise: Float[Tensor, "B 2"], t: float, s: float
) -> Float[Tensor, "B 2"]:
    """Go from time t to the earlier time s, given the guess of the noise in ``x_t``.

    The mixture at time t is cos(πt/2) data + sin(πt/2) noise.
    """
    clean = (x_t - math.sin(math.pi / 2 * t) * noise) / math.cos(math.pi / 2 * t)
    return math.cos(math.pi / 2 * s) * clean + math.sin(math.pi / 2 * s) * noise


def _streams(generator: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_states, half_life in ((2, 1.0), (3, 5.0), (4, 50.0)):
        states = torch.randint(n_states, (40,), generator=generator).tolist()
        yield states, n_states, half_life


def _all_rows_decay(states: list[int], n_states: int, half_life: float) -> Tensor:
    counts = torch.zeros(n_states, n_states, dtype=torch.float64)
    for a, b in pairwise(states):
        counts *= 2 ** (-1 / half_life)
        counts[a, b] += 1
    return counts


def _no_decay(states: list[int], n_states: int, half_life: float) -> Tensor:
    return _all_rows_decay(states, n_states, math.inf)


@exercise(
    "online-counts",
    page=PAGE,
    level="research",
    cases=_streams,
    hint="go through the pairs; shrink the row of the state that was left, then count the step.",
    remark="Which half-life would you take if you knew that the rule changes every 1,000 steps?",
    mistakes=[
        Mistake(
            _all_rows_decay,
            "a row must shrink only when its state is visited: the half-life counts visits.",
        ),
        Mistake(_no_decay, "nothing is forgotten: the half-life is not used."),
    ],
)
def online_counts(
    states: list[int], n_states: int, half_life: float
) -> Float64[Tensor, "{n_states} {n_states}"]:
    """Count the steps from state a to state b, and let old ones fade.

    At each step from a, what row a held is multiplied by 2 ** (-1 / half_life) and the new step
    counts 1. Return the counts, of type float64, beginning with none.
    """
    counts = torch.zeros(n_states, n_states, dtype=torch.float64)
    for a, b in pairwise(states):
        counts[a] *= 2 ** (-1 / half_life)
        counts[a, b] += 1
    return counts
