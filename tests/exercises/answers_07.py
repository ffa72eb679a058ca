"""Answers to the exercises of the page on tools and resources."""

import math
from statistics import fmean

import numpy as np
import torch

from tests.exercises.answers import Answers


def by_loop(means, counts, *, last=None):
    tokens = [mean for mean, n in zip(means, counts, strict=True) for _ in range(n)]
    return fmean(tokens[:last])


def floor_by_binomials(k, n, *, times=None, shift=0, squared=False):
    """The counts' probabilities one from the other, instead of by binomial coefficients."""
    if k == 1:
        return 0.0
    probability, total = (1 - 1 / k) ** n, 0.0
    for count in range(1, n + 1):
        probability *= (n - count + 1) / count / (k - 1)
        share = (count + shift) / (n + shift)
        term = share * math.log(k * share)
        total += probability * (term**2 if squared else term)
    return total * (k if times is None else times)


ANSWERS = {
    "bits-per-dimension": Answers(
        right=[
            lambda nats, shape: nats / np.prod(shape) / np.log(2),
            lambda nats, shape: math.log2(math.e) * nats / math.prod(shape),
            lambda nats, shape: torch.tensor(nats) / torch.ones(shape).numel() / math.log(2),
        ],
        wrong=[
            lambda nats, shape: nats / (shape[0] * shape[1] * math.log(2)),
            lambda nats, shape: nats / sum(shape) / math.log(2),
            lambda nats, shape: nats * math.prod(shape) / math.log(2),
            lambda nats, shape: -nats / (math.prod(shape) * math.log(2)),
        ],
    ),
    "whole-split": Answers(
        right=[
            by_loop,
            lambda means, counts: np.average(means, weights=counts),
            lambda means, counts: (
                (torch.tensor(means).double() * torch.tensor(counts)).sum() / sum(counts)
            ),
        ],
        wrong=[
            lambda means, counts: by_loop(means, counts, last=-1),
            lambda means, counts: np.average(means[:-1], weights=counts[:-1]),
            lambda means, counts: np.median(means),
            lambda means, counts: max(means),
            lambda means, counts: math.exp(np.average(np.log(means), weights=counts)),
        ],
    ),
    "floor-of-sampling": Answers(
        right=[
            floor_by_binomials,
            lambda k, n: torch.tensor(floor_by_binomials(k, n)),
        ],
        wrong=[
            lambda k, n: floor_by_binomials(k, n, times=1),
            lambda k, n: floor_by_binomials(k, n, times=k - 1),
            lambda k, n: floor_by_binomials(k, n, shift=1),
            lambda k, n: floor_by_binomials(k, n, squared=True),
            lambda k, n: floor_by_binomials(k, n) / math.log(2),
        ],
    ),
}
