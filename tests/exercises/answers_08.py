"""Answers to the exercises of the summary."""

import math
from statistics import mean, variance

import numpy as np
import torch

from tests.exercises.answers import Answers


def by_generations(first, n, k):
    for _ in range(k):
        first -= first / n
    return first


def by_search(a, b, c, d, *, equal=False, start=0):
    """The first number of samples that is cheaper; none of the cases needs as many as 1,000."""
    for n in range(start, 1_000):
        gan, ar = a + n * b, c + n * d
        if gan < ar or (equal and gan == ar):
            return n
    return math.inf


def in_python(real, generated):
    real, generated = real.tolist(), generated.tolist()
    errors = variance(real) / len(real) + variance(generated) / len(generated)
    return (mean(generated) - mean(real)) / math.sqrt(errors)


def pooled(real, generated):
    both = torch.cat([real, generated])
    error = both.std() * (1 / len(real) + 1 / len(generated)) ** 0.5
    return (generated.mean() - real.mean()) / error


ANSWERS = {
    "variance-left": Answers(
        right=[
            by_generations,
            lambda v, n, k: v * ((n - 1) / n) ** k,
            lambda v, n, k: v * math.exp(k * math.log1p(-1 / n)),
        ],
        wrong=[
            lambda v, n, k: v * (1 - 1 / n**k),
            lambda v, n, k: v * (1 - 1 / (n + 1)) ** k,
            lambda v, n, k: v * (1 - 1 / n) ** (k + 1),
            lambda v, n, k: v,
        ],
    ),
    "kinds-lost": Answers(
        right=[
            lambda shares, n: sum((1 - p) ** n for p in shares.tolist()),
            lambda shares, n: (n * torch.log1p(-shares)).exp().sum(),
            lambda shares, n: np.sum(np.power(1 - shares.numpy(), n)),
        ],
        wrong=[
            lambda shares, n: float(((1 - shares) ** (n + 1)).sum()),
            lambda shares, n: float((1 - shares**n).sum()),
            lambda shares, n: float(((1 - shares[shares > 0]) ** n).sum()),
            lambda shares, n: max(0, len(shares) - n),
        ],
    ),
    "break-even": Answers(
        right=[
            by_search,
            lambda *a: torch.tensor(float(by_search(*a))),
            lambda *a: float(by_search(*a)),
        ],
        wrong=[
            lambda *a: by_search(*a, equal=True),
            lambda *a: by_search(*a, start=1),
            lambda a, b, c, d: by_search(c, d, a, b),
            lambda a, b, c, d: by_search(a, b, c, d) - 1,
        ],
    ),
    "judged-apart": Answers(
        right=[
            in_python,
            lambda real, generated: np.float64(in_python(real, generated)),
        ],
        wrong=[
            pooled,
            lambda real, generated: in_python(real, generated) ** 2,
            lambda real, generated: (generated.median() - real.median()) / real.std(),
            lambda real, generated: (generated.mean() - real.mean()) / real.std(),
        ],
    ),
}
