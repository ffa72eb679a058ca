"""Answers to the exercises of the page on production."""

import math
from fractions import Fraction

import numpy as np
import torch

from tests.exercises.answers import Answers


def by_events(arrivals, departures):
    """Area under the number inside, from one event to the next."""
    events = sorted([(t, 1) for t in arrivals] + [(t, -1) for t in departures])
    inside, area = 0, 0.0
    for (now, change), (after, _) in zip(events, [*events[1:], events[-1]], strict=True):
        inside += change
        area += inside * (after - now)
    return area / (events[-1][0] - events[0][0])


def by_little(arrivals, departures):
    seconds = max(departures) - min(arrivals)
    rate = len(arrivals) / seconds
    return rate * np.mean(np.array(departures) - np.array(arrivals))


def by_trying(overhead, each, share):
    b = 1
    while b / (overhead + each * b) < share / each - 1e-12:
        b += 1
    return b


def exactly(overhead, each, share):
    overhead, each, share = (Fraction(str(number)) for number in (overhead, each, share))
    return max(1, math.ceil(share * overhead / ((1 - share) * each)))


def sorted_pairs(validation, test):
    return sorted(zip(validation, test, strict=True))[-1][1]


def by_columns(weight, a, b, alpha):
    return torch.stack(
        [
            weight @ e + alpha / a.shape[0] * b @ (a @ e)
            for e in torch.eye(weight.shape[1], dtype=weight.dtype)
        ],
        dim=1,
    )


def in_place_on_a_copy(weight, a, b, alpha):
    return weight.clone().addmm_(b, a, alpha=alpha / b.shape[1])


def transposed(weight, a, b, alpha):
    return (weight + alpha / len(a) * b @ a).T


def by_a_loop(gradients, n_tokens):
    total = 0.0
    for gradient, n in zip(gradients, n_tokens, strict=True):
        total = total + gradient * n
    return total / sum(n_tokens)


ANSWERS = {
    "mean-inside": Answers(
        right=[
            by_events,
            by_little,
            lambda a, d: (torch.tensor(d) - torch.tensor(a)).sum() / (max(d) - a[0]),
            lambda a, d: np.float64((sum(d) - sum(a)) / (max(d) - min(a))),
        ],
        wrong=[
            lambda a, d: len(a) / (max(d) - min(a)),
            lambda a, d: len(a),
            lambda a, d: (sum(d) - sum(a)) / max(d),
            lambda a, d: max(sum(x <= t < y for x, y in zip(a, d, strict=True)) for t in a),
        ],
    ),
    "batch-for-a-share": Answers(
        right=[
            by_trying,
            exactly,
            lambda a, c, s: np.maximum(1, np.ceil(s * a / ((1 - s) * c) - 1e-9)),
            lambda a, c, s: torch.tensor(float(by_trying(a, c, s))),
            lambda a, c, s: max(1, math.ceil(s * a / ((1 - s) * c))),
            lambda a, c, s: max(1, math.ceil(a / c / (1 / s - 1))),
        ],
        wrong=[
            lambda a, c, s: by_trying(a, c, s) + 1,
            lambda a, c, s: math.ceil(a / c),
            lambda a, c, s: round(s * a / ((1 - s) * c)),
            lambda a, c, s: math.ceil(s * a / c),
        ],
    ),
    "honest-choice": Answers(
        right=[
            sorted_pairs,
            lambda v, t: np.array(t)[np.argmax(v)],
            lambda v, t: torch.tensor(t, dtype=torch.float64)[torch.tensor(v).argmax()],
            lambda v, t: t[v.index(max(v))],
        ],
        wrong=[
            lambda v, t: v[t.index(max(t))],
            lambda v, t: max((a + b) / 2 for a, b in zip(v, t, strict=True)),
            lambda v, t: t[0],
            lambda v, t: [t[v.index(max(v))], max(t)],
        ],
    ),
    "merge-lora": Answers(
        right=[
            by_columns,
            in_place_on_a_copy,
            lambda weight, a, b, alpha: (weight + alpha / len(a) * b @ a).tolist(),
            lambda weight, a, b, alpha: weight.numpy() + alpha / len(a) * b.numpy() @ a.numpy(),
        ],
        wrong=[
            transposed,
            lambda weight, a, b, alpha: weight - alpha / len(a) * b @ a,
            lambda weight, a, b, alpha: weight + len(a) / alpha * b @ a,
            lambda weight, a, b, alpha: weight,
        ],
    ),
    "whole-batch-gradient": Answers(
        right=[
            by_a_loop,
            lambda g, n: np.average([x.numpy() for x in g], axis=0, weights=n),
            lambda g, n: torch.tensor(n, dtype=torch.float64) / sum(n) @ torch.stack(g),
            lambda g, n: by_a_loop(g, n).tolist(),
        ],
        wrong=[
            lambda g, n: torch.stack(g).mean(0),
            lambda g, n: by_a_loop(g, n) * len(g),
            lambda g, n: g[n.index(max(n))],
            lambda g, n: by_a_loop(g, n[::-1]),
            lambda g, n: by_a_loop(g, n).sum(),
        ],
    ),
}
