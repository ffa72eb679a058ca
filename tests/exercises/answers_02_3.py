"""Answers to the exercises of the page on the whole pipeline."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch

from tests.exercises.answers import Answers


def running_sum(n_steps, share):
    schedule, owed = [], 0.0
    for _ in range(n_steps):
        owed += share
        schedule.append(owed >= 1)
        owed -= schedule[-1]
    return schedule


def by_fractions(n_steps, share):
    counts = [math.floor(n * Fraction(share)) for n in range(n_steps + 1)]
    return [b - a for a, b in pairwise(counts)]  # 0 or 1


def rounded(n_steps, share):
    counts = [round(n * share) for n in range(n_steps + 1)]
    return [b > a for a, b in pairwise(counts)]


def every(n_steps, share):
    return [
        share > 0 and (n + 1) % max(1, round(1 / max(share, 1e-9))) == 0 for n in range(n_steps)
    ]


def drawn(n_steps, share):
    return (torch.rand(n_steps, generator=torch.Generator().manual_seed(0)) < share).tolist()


ANSWERS = {
    "bits-per-character": Answers(
        right=[
            lambda nats, tokens, characters: math.log2(math.exp(nats)) * tokens / characters,
            lambda nats, tokens, characters: np.float64(nats * tokens) / (characters * np.log(2)),
            lambda nats, tokens, characters: torch.tensor(nats / 0.6931472 * tokens / characters),
        ],
        wrong=[
            lambda nats, tokens, characters: nats * tokens * math.log(2) / characters,
            lambda nats, tokens, characters: nats * tokens / math.log(10) / characters,
            lambda nats, tokens, characters: 2 ** (nats * tokens / characters),
            lambda nats, tokens, characters: nats / math.log(2) / characters,
            lambda nats, tokens, characters: math.log2(nats * tokens / characters),
        ],
    ),
    "forgetting": Answers(
        right=[
            lambda before, after, n: n * (after - before) / math.log2(10),
            lambda before, after, n: -math.log10(2 ** (-n * (after - before))),
            lambda before, after, n: (
                torch.tensor(n * (after - before)) * math.log(2) / math.log(10)
            ),
        ],
        wrong=[
            lambda before, after, n: n * (after - before) * math.log(2),
            lambda before, after, n: n * abs(after - before) * math.log10(2),
            lambda before, after, n: n * (after - before) / math.log10(2),
            lambda before, after, n: 2 ** (n * (after - before)),
            lambda before, after, n: math.ceil(n * (after - before) * math.log10(2)),
        ],
    ),
    "replay-schedule": Answers(
        right=[
            running_sum,
            by_fractions,
            lambda n, share: np.array(running_sum(n, share)),
            lambda n, share: torch.tensor(by_fractions(n, share)),
        ],
        wrong=[
            rounded,
            every,
            drawn,
            lambda n, share: running_sum(n, share)[::-1],
            lambda n, share: [not old for old in running_sum(n, share)],
        ],
    ),
    "best-policy": Answers(
        right=[
            lambda base, r, beta: (base + r / beta - (base + r / beta).logsumexp(0)).exp(),
            lambda base, r, beta: (base + (r - r.max()) / beta).softmax(0).numpy(),
            lambda base, r, beta: (base.exp().log() + r / beta).softmax(-1).tolist(),
        ],
        wrong=[
            lambda base, r, beta: base + r / beta,
            lambda base, r, beta: (base + r / beta).log_softmax(0),
            lambda base, r, beta: (base - r / beta).softmax(0),
            lambda base, r, beta: base.exp() * r.softmax(0),
            lambda base, r, beta: (base + r).softmax(0),
            lambda base, r, beta: torch.nn.functional.one_hot(r.argmax(), len(r)).double(),
            lambda base, r, beta: (base.exp() + r / beta).softmax(0),
        ],
    ),
}
