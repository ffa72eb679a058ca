"""Answers to the exercises of the page on results."""

import math
from statistics import NormalDist

import numpy as np
import torch
from torch.distributions import Categorical, kl_divergence

from tests.exercises.answers import Answers


def frechet_by_quantiles(m, s, n, r):
    """W2² of the line: a mean over levels, which for normal distributions needs few."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    return ((m + s * nodes - n - r * nodes) ** 2 @ weights) / weights.sum()


def divergence_by_loop(p):
    return sum(q * math.log(10 * q) for q in p.tolist() if q > 0)


def threshold(n, level, *, spread=0.5, two=1, middle=0.5):
    return middle + NormalDist().inv_cdf(1 - level / two) * spread / math.sqrt(n)


def copies_by_loop(generated, training, held_out, *, reach=min, tie=False):
    def nearest(point):
        return min(math.dist(point, other) for other in training.tolist())

    limit = reach([nearest(point) for point in held_out.tolist()])
    near = [nearest(point) for point in generated.tolist()]
    return [d <= limit if tie else d < limit for d in near]


def pairwise_copies(generated, training, held_out):
    norms = [
        torch.linalg.vector_norm(x[:, None] - training, dim=2).amin(1)
        for x in (generated, held_out)
    ]
    return norms[0] < norms[1].min()


def in_double(good, junk, share):
    """Right without any trick: e^-300 is a number in double precision."""
    p = share * (-good.double()).exp() + (1 - share) * (-junk.double()).exp()
    return -p.log().mean()


ANSWERS = {
    "frechet-1d": Answers(
        right=[
            frechet_by_quantiles,
            lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2 - 2 * math.sqrt(s**2 * r**2),
            lambda m, s, n, r: torch.tensor([m - n, s - r]).square().sum(),
            lambda m, s, n, r: np.float32((m - n) ** 2) + np.float32((s - r) ** 2),
        ],
        wrong=[
            lambda m, s, n, r: abs(m - n) + abs(s - r),
            lambda m, s, n, r: (m - n) ** 2,
            lambda m, s, n, r: ((m - n) + (s - r)) ** 2,
            lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2 - 2 * s**2 * r**2,
            lambda m, s, n, r: (m - n) ** 2 + s + r - 2 * math.sqrt(s * r),
        ],
    ),
    "kl-to-uniform": Answers(
        right=[
            divergence_by_loop,
            lambda p: math.log(10) + torch.xlogy(p, p).sum(),
            lambda p: kl_divergence(Categorical(p.double()), Categorical(torch.ones(10).double())),
            lambda p: np.float64(math.log(10)) - float(torch.special.entr(p.double()).sum()),
            lambda p: math.log(10) - Categorical(p).entropy(),
        ],
        wrong=[
            lambda p: (p * (10 * p + 1e-2).log()).sum(),
            lambda p: torch.xlogy(p, 10 * p).mean(),
            lambda p: torch.xlogy(p, p / p.max()).sum(),
            lambda p: (p - 0.1).abs().sum() / 2,
            lambda p: -torch.xlogy(p, 10 * p).sum() - 1e-3,
            lambda p: torch.xlogy(p, p).sum() + math.log(int((p > 0).sum())) + 1e-3,
        ],
    ),
    "two-sample-threshold": Answers(
        right=[
            threshold,
            lambda n, level: torch.tensor(NormalDist(0.5, 0.5 / n**0.5).inv_cdf(1 - level)),
            lambda n, level: NormalDist(n / 2, math.sqrt(n) / 2).inv_cdf(1 - level) / n,
        ],
        wrong=[
            lambda n, level: threshold(n, level, spread=1.0),
            lambda n, level: threshold(n, level, spread=0.25),
            lambda n, level: threshold(n, level, two=2),
            lambda n, level: threshold(n, level, middle=0.0),
            lambda n, level: threshold(n // 2, level),
            lambda n, level: 1 - threshold(n, level),
            lambda n, level: threshold(n + 1, level) + 1 / n,
        ],
    ),
    "copied-or-new": Answers(
        right=[
            copies_by_loop,
            lambda *a: np.array(copies_by_loop(*a)),
            pairwise_copies,
            lambda g, t, h: torch.cdist(g, t).amin(1).tolist() < torch.cdist(h, t).min().numpy(),
        ],
        wrong=[
            lambda *a: copies_by_loop(*a, tie=True),
            lambda *a: copies_by_loop(*a, reach=max),
            lambda g, t, h: copies_by_loop(g, h, t),
            lambda g, t, h: [not copy for copy in copies_by_loop(g, t, h)],
            lambda g, t, h: torch.cdist(g, t).amin(1) < torch.cdist(g, h).amin(1),
        ],
    ),
    "mixture-nats": Answers(
        right=[
            in_double,
            lambda g, j, s: (
                -torch.stack([math.log(s) - g, math.log(1 - s) - j]).logsumexp(0).mean().item()
            ),
            lambda g, j, s: (
                -np.logaddexp(
                    math.log(s) - g.double().numpy(), math.log(1 - s) - j.double().numpy()
                ).mean()
            ),
        ],
        wrong=[
            lambda g, j, s: in_double(g, j, 1 - s),
            lambda g, j, s: torch.minimum(g - math.log(s), j - math.log(1 - s)).mean(),
            lambda g, j, s: in_double(g, j, s) / math.log(2),
            lambda g, j, s: in_double(g.mean()[None], j.mean()[None], s),
            lambda g, j, s: in_double(g, j, s) * len(g),
            lambda g, j, s: g.mean() - math.log(s),
        ],
    ),
}
