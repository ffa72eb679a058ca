"""Exercises of the page on strengths and limits."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "03_3_strengths_limits"


def _logits(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for shift, sizes in ((0.2, (8, 8, 8)), (1.5, (40, 10, 25)), (3.0, (5, 50, 20))):
        training, held_out, fake = (torch.randn(n, generator=rng) for n in sizes)
        yield training + 2, held_out + 2 - shift, fake


@exercise(
    "overfitting-heuristic",
    page=PAGE,
    level="warm-up",
    cases=_logits,
    hint="two differences of means; both start from the mean over training data.",
    remark="The scale of the logits cancels, so networks can be compared. It may exceed 1: then "
    "held-out data look more fake than the fakes.",
    mistakes=[
        Mistake(
            lambda training, held_out, fake: (
                (training.mean() - held_out.mean()) / (held_out.mean() - fake.mean())
            ),
            "the denominator is how far *training* data lie above generated ones; this one goes "
            "through zero when held-out data look fake.",
        ),
        Mistake(
            lambda training, held_out, fake: (
                (held_out.mean() - training.mean()) / (training.mean() - fake.mean())
            ),
            "the sign: overfitting makes training data look *more* real than held-out ones.",
        ),
        Mistake(
            lambda training, held_out, fake: training.mean() - held_out.mean(),
            "this difference depends on the scale of the logits. Divide it by that of training and "
            "generated data.",
        ),
        Mistake(
            lambda training, held_out, fake: (
                (training.sigmoid().mean() - held_out.sigmoid().mean())
                / (training.sigmoid().mean() - fake.sigmoid().mean())
            ),
            "take the logits themselves. A sigmoid flattens what a sure discriminator says.",
        ),
    ],
)
def overfitting_heuristic(
    training: Float[Tensor, " N"], held_out: Float[Tensor, " M"], fake: Float[Tensor, " K"]
) -> Float[Tensor, ""]:
    """How far held-out real data look generated to a discriminator.

    Given are its logits of training data (N,), of held-out real data (M,) and of generated data
    (K,). Return 0 if held-out data look like training data, 1 if they look like generated ones.
    """
    return (training.mean() - held_out.mean()) / (training.mean() - fake.mean())


def _draws(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((8, 8), (20, 8), (1, 5), (100, 10), (26_000, 1_000))


@exercise(
    "missing-by-chance",
    page=PAGE,
    level="core",
    cases=_draws,
    hint="with what probability do all samples miss one given mode? Expectations add up, even of "
    "events that depend on each other.",
    remark="With 20 samples of eight modes half a mode is missing on average, with 100 none. Draw "
    "ten times as many samples as modes before you speak of collapse.",
    mistakes=[
        Mistake(
            lambda n_samples, n_modes: (1 - 1 / n_modes) ** n_samples,
            "this is the probability that one given mode is missing. There are more of them.",
        ),
        Mistake(
            lambda n_samples, n_modes: float(max(0, n_modes - n_samples)),
            "samples also fall on modes that have one already.",
        ),
        Mistake(
            lambda n_samples, n_modes: n_modes * (1 / n_modes) ** n_samples,
            "this is the probability that all samples fall on one mode, times the modes. A sample "
            "misses a mode with probability 1 - 1 / n_modes.",
        ),
    ],
)
def missing_by_chance(n_samples: int, n_modes: int) -> float:
    """Expected number of modes without any sample.

    The samples are independent, and each falls on one of ``n_modes`` modes, all equally likely.
    """
    return n_modes * (1 - 1 / n_modes) ** n_samples


def _sizes(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((1, 1, 10, 1, 2), (1, 64, 102_400, 2, 64), (100, 50, 1_000, 4, 32), (7, 3, 5, 2, 1))


def _cost(n_prompt: int, n_new: int, weights: int, layers: int, width: int) -> tuple[int, int]:
    def whole(t: int) -> int:
        return 2 * weights * t + 4 * layers * width * t**2

    def one(t: int) -> int:
        return 2 * weights + 4 * layers * width * t

    lengths = range(n_prompt, n_prompt + n_new)
    return sum(map(whole, lengths)), whole(n_prompt) + sum(map(one, lengths[1:]))


def _without_prompt(
    n_prompt: int, n_new: int, weights: int, layers: int, width: int
) -> tuple[int, int]:
    naive, cached = _cost(n_prompt, n_new, weights, layers, width)
    return naive, cached - _cost(n_prompt, 1, weights, layers, width)[0]


@exercise(
    "cost-of-writing",
    page=PAGE,
    level="core",
    cases=_sizes,
    hint="the first new token needs the logits after the prompt, the last one those after the "
    "prompt and all new tokens but itself: lengths from n_prompt to n_prompt + n_new - 1.",
    remark="Without a cache a long prompt is read again for every token, with one only once.",
    mistakes=[
        Mistake(
            lambda n_prompt, n_new, *sizes: _cost(n_prompt + 1, n_new, *sizes),
            "the lengths are one too large: the last new token is never read, only written.",
        ),
        Mistake(
            _without_prompt,
            "the cache has to be filled first: one pass over the prompt.",
        ),
        Mistake(
            lambda n_prompt, n_new, *sizes: (
                n_new * _cost(n_prompt + n_new - 1, 1, *sizes)[0],
                _cost(n_prompt, n_new, *sizes)[1],
            ),
            "without a cache the passes grow longer and longer; not all are as long as the last.",
        ),
    ],
)
def cost_of_writing(
    n_prompt: int, n_new: int, weights: int, layers: int, width: int
) -> tuple[int, int]:
    """Operations for ``n_new`` tokens after a prompt of ``n_prompt``, without and with a cache.

    A pass over t tokens takes 2 · weights · t + 4 · layers · width · t² operations. With a cache,
    one further token, the t-th, takes 2 · weights + 4 · layers · width · t; the prompt is read in
    one pass. Return both numbers.
    """
    lengths = range(n_prompt, n_prompt + n_new)
    passes = [2 * weights * t + 4 * layers * width * t**2 for t in lengths]
    single = [2 * weights + 4 * layers * width * t for t in lengths]
    return sum(passes), passes[0] + sum(single[1:])


def _packs(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    p = torch.full((8,), 1 / 8, dtype=torch.float64)
    half = torch.tensor([1 / 4] * 4 + [0.0] * 4, dtype=torch.float64)
    for k in (1, 2, 3):
        yield p, half, k
    for n in (3, 6):
        a, b = torch.randn(2, n, generator=rng, dtype=torch.float64).softmax(-1)
        yield a, b, 2


def _variation(p: Tensor, q: Tensor) -> float:
    return float(0.5 * (p - q).abs().sum())


def _doubled(p: Tensor, q: Tensor, k: int) -> float:
    return 2 * packed_variation(p, q, k)


@exercise(
    "packed-variation",
    page=PAGE,
    level="research",
    cases=_packs,
    hint="the pack (i, j) has the probability p[i] · p[j]. Make the table of all packs by outer "
    "products, one factor at a time, for p and for q, and take half the sum of the differences.",
    remark="Where a mode is lost, a pack of two shows the loss almost twice as large. Where all "
    "shares are slightly wrong it gains less. So packing punishes collapse most.",
    mistakes=[
        Mistake(
            lambda p, q, k: k * _variation(p, q),
            "a total variation never exceeds 1; this does.",
        ),
        Mistake(
            lambda p, q, k: 1 - (1 - _variation(p, q)) ** k,
            "right where q covers some modes perfectly and misses the others. In general this is "
            "only an upper bound.",
        ),
        Mistake(_doubled, "half the sum of the differences."),
        Mistake(
            lambda p, q, k: _variation(p.pow(k), q.pow(k)),
            "a pack is k independent samples, which may come from different modes: take the table "
            "of all of them, not k times the same.",
        ),
    ],
)
def packed_variation(p: Float[Tensor, " K"], q: Float[Tensor, " K"], k: int) -> float:
    """Total variation between packs of ``k`` independent samples.

    ``p`` and ``q`` (K,) are the probabilities of the modes in the data and in the model.
    """
    packs_p, packs_q = p, q
    for _ in range(k - 1):
        packs_p = torch.outer(packs_p, p).flatten()
        packs_q = torch.outer(packs_q, q).flatten()
    return float(0.5 * (packs_p - packs_q).abs().sum())
