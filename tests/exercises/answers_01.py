"""Answers to the exercises of the page on the background."""

import math
from itertools import pairwise

import numpy as np
import torch

from tests.exercises.answers import Answers


def copies_by_loop(generated, unseen):
    pairs = [(g, u) for g in generated.tolist() for u in unseen.tolist()]
    return sum(1.0 if g < u else 0.5 if g == u else 0.0 for g, u in pairs) / len(pairs)


def copies_by_ranks(generated, unseen):
    below = np.searchsorted(np.sort(unseen), generated, side="left")
    not_above = np.searchsorted(np.sort(unseen), generated, side="right")
    return 1 - np.mean(below + not_above) / (2 * len(unseen))


def arc(t):
    return math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)


def rotated(x, clean, t, s):
    """The step as one sum of the two points."""
    (a, b), (c, d) = arc(t), arc(s)
    return (c - a * d / b) * clean + d / b * x


def rescaled_noise(x, clean, t, s):
    """Mixes with a weight that grows like the time itself."""
    return clean + s / t * (x - clean)


def half_life(states, n_states, candidates, *, grow=1.0, base=2.0, after=False, log=math.log):
    """By numbers in a dictionary, with room for mistakes."""
    best = (math.nan, math.inf)
    for h in candidates:
        counts = {(a, b): 0.1 for a in range(n_states) for b in range(n_states)}
        total = 0.0
        for a, b in pairwise(states):
            total -= log(counts[a, b] / sum(counts[a, k] for k in range(n_states)))
            counts[a, b] += grow if after else 0
            for k in range(n_states):
                counts[a, k] *= base ** (-1 / h)
            counts[a, b] += 0 if after else grow
        if total < best[1]:
            best = h, total
    return best


ANSWERS = {
    "price-of-thousand": Answers(
        right=[
            lambda rate, price: price / (3.6 * rate),
            lambda rate, price: np.float32(1000 / rate) * price / np.float32(3600),
            lambda rate, price: sum(price / 3600 / rate for _ in range(1000)),
            lambda rate, price: torch.tensor([1000 * price / (rate * 3600)]),
        ],
        wrong=[
            lambda rate, price: price / 3600 / rate,
            lambda rate, price: 1000 / rate / 60 * price,
            lambda rate, price: math.ceil(1000 / rate / 3600) * price,
            lambda rate, price: round(1000 / rate / 3600 * price, 2),
        ],
    ),
    "copying-statistic": Answers(
        right=[
            copies_by_loop,
            copies_by_ranks,
            lambda g, u: ((g[:, None] < u).float() + (g[:, None] <= u).float()).mean() / 2,
            lambda g, u: torch.heaviside(u - g[:, None], torch.tensor(0.5).double()).mean(),
        ],
        wrong=[
            lambda g, u: (g[:, None] <= u).double().mean(),
            lambda g, u: float(g.median() < u.median()),
            lambda g, u: (u - g[:, None]).sigmoid().mean(),
            lambda g, u: (g < u.min()).double().mean(),
            lambda g, u: u.mean() / (u.mean() + g.mean()),
        ],
    ),
    "denoising-step": Answers(
        right=[
            rotated,
            lambda x, clean, t, s: rotated(x.numpy(), clean.numpy(), t, s),
            lambda x, clean, t, s: rotated(x.double(), clean.double(), t, s),
            lambda x, clean, t, s: [
                [rotated(a, b, t, s) for a, b in zip(u, v, strict=True)]
                for u, v in zip(x.tolist(), clean.tolist(), strict=True)
            ],
        ],
        wrong=[
            rescaled_noise,
            lambda x, clean, t, s: rotated(x, clean, s, t),
            lambda x, clean, t, s: arc(s)[0] * clean + arc(s)[1] * (x - clean),
            lambda x, clean, t, s: arc(s)[0] * clean + arc(s)[1] * torch.ones_like(x),
            lambda x, clean, t, s: (
                math.cos(s) * clean + math.sin(s) * (x - math.cos(t) * clean) / math.sin(t)
            ),
        ],
    ),
    "best-half-life": Answers(
        right=[
            half_life,
            lambda *a: list(half_life(*a)),
            lambda *a: torch.tensor(half_life(*a)),
        ],
        wrong=[
            lambda *a: half_life(*a, after=True),
            lambda *a: half_life(*a, base=math.e),
            lambda *a: half_life(*a, log=math.log2),
            lambda *a: half_life(*a, grow=0.5),
            lambda *a: half_life(*a)[0],
            lambda *a: half_life(*a)[::-1],
        ],
    ),
}
