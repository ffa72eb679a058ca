"""Answers to the exercises of the overview of the algorithms."""

import math

import numpy as np
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from tests.exercises.answers import Answers


def cost_by_entropies(density, n_bins, width):
    """Entropy of the model constant in each bin, less that of p."""
    p, step = density.numpy(), width * n_bins / len(density)
    means = np.repeat(p.reshape(n_bins, -1).mean(1), len(p) // n_bins)
    return -(p * np.log(means)).sum() * step + (p * np.log(p)).sum() * step


def cost(density, n_bins, width, *, reverse=False, base=math.e, step=None, weights=None):
    step = step or width * n_bins / len(density)
    means = (
        density.view(n_bins, -1)
        .mean(1, keepdim=True)
        .expand(n_bins, len(density) // n_bins)
        .flatten()
    )
    p, q = (means, density) if reverse else (density, means)
    return ((p if weights is None else weights) * (p / q).log()).sum() * step / math.log(base)


def window_by_torch(samples, points, width):
    bumps = Independent(Normal(samples, torch.full_like(samples, width)), 1)
    return MixtureSameFamily(Categorical(torch.ones(len(samples)).double()), bumps).log_prob(points)


def window(samples, points, width, *, norm=None, variance=None, top=False):
    """Point by point, the largest term taken out; with room for mistakes."""
    variance = variance or width**2
    norm = norm or 2 * math.pi * width**2
    logs = []
    for point in points.numpy():
        terms = -((samples.numpy() - point) ** 2).sum(1) / (2 * variance)
        largest = terms.max()
        mean = 1 / len(terms) if top else np.exp(terms - largest).mean()
        logs.append(largest + np.log(mean) - math.log(norm))
    return logs


ANSWERS = {
    "density-from-bins": Answers(
        right=[
            lambda a, b, w: (a.exp() * b.exp() / w**2).log(),
            lambda a, b, w: a.numpy() + b.numpy() - np.log(w * w),
            lambda a, b, w: [x + y - 2 * math.log(w) for x, y in zip(a, b, strict=True)],
            lambda a, b, w: (a.double() - math.log(w)) + (b.double() - math.log(w)),
        ],
        wrong=[
            lambda a, b, w: a.exp() * b.exp() / w**2,
            lambda a, b, w: a + b - w**2,
            lambda a, b, w: -(a + b - 2 * math.log(w)),
            lambda a, b, w: (a + b) / w**2,
            lambda a, b, w: (a + b).exp() - 2 * math.log(w),
        ],
    ),
    "cost-of-bins": Answers(
        right=[
            cost,
            cost_by_entropies,
            lambda *a: float(cost(*a)),
            lambda d, n, w: sum(
                float((b * (b / b.mean()).log()).mean() * w) for b in d.view(n, -1)
            ),
        ],
        wrong=[
            lambda *a: cost(*a, reverse=True),
            lambda *a: cost(*a, base=2),
            lambda d, n, w: cost(d, n, w, step=w),
            lambda d, n, w: cost(d, n, w, step=1.0),
            lambda d, n, w: cost(d, n, w, weights=torch.ones_like(d)),
            lambda d, n, w: d.view(n, -1).var(1).mean(),
        ],
    ),
    "growth-exponent": Answers(
        right=[
            lambda n, s: math.log2(s[-1] / s[0]) / math.log2(n[-1] / n[0]),
            lambda n, s: (
                torch.tensor([s[-1], s[0]]).log().diff() / torch.tensor([n[-1], n[0]]).log().diff()
            ),
        ],
        wrong=[
            lambda n, s: np.polyfit(np.log(n), np.log(s), 1)[0],
            lambda n, s: np.log(s[1] / s[0]) / np.log(n[1] / n[0]),
            lambda n, s: math.log(n[-1] / n[0]) / math.log(s[-1] / s[0] + 1e-9),
            lambda n, s: math.log(s[-1]) / math.log(n[-1]),
            lambda n, s: np.polyfit(n, np.log(s), 1)[0],
            lambda n, s: (s[-1] / s[0]) / (n[-1] / n[0]),
            lambda n, s: math.log10(s[-1] / s[0]) / math.log(n[-1] / n[0]),
            lambda n, s: round(np.polyfit(n, s, 1)[0]),
        ],
    ),
    "parzen-window": Answers(
        right=[
            window,
            window_by_torch,
            lambda *a: np.array(window(*a), dtype=np.float32),
        ],
        wrong=[
            lambda x, p, w: window(x, p, w, norm=math.sqrt(2 * math.pi) * w),
            lambda x, p, w: window(x, p, w, norm=2 * math.pi * w),
            lambda x, p, w: window(x, p, w, norm=2 * math.pi * w**4),
            lambda x, p, w: window(x, p, w, variance=w + 1e-9),
            lambda x, p, w: window(x, p, w, top=True),
            lambda x, p, w: np.exp(window(x, p, w)),
        ],
    ),
}
