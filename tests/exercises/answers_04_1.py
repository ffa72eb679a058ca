"""Answers to the exercises of the page on building the models."""

import math

import numpy as np
import torch
from torch import nn
from torch.distributions import LogNormal, MultivariateNormal

from tests.exercises.answers import Answers


def counted(v, n, e, h):
    layers = nn.ModuleList([nn.Embedding(v, e), nn.Linear(n * e, h), nn.Linear(h, v)])
    return sum(p.numel() for p in layers.parameters())


def by_differences(x, m, s):
    """Of the distribution function, which is the normal one at the latent."""
    below = [torch.special.ndtr((x.double() * f).log().sub(m) / s) for f in (1 + 1e-5, 1 - 1e-5)]
    return (below[0] - below[1]) / (2e-5 * x.double())


def density(x, m, s, *, slope=True, argument=None):
    z = ((x.log() if argument is None else argument) - m) / s
    return torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) / (s * x if slope else 1)


def token_by_token(probs, u):
    tokens = []
    for row, noise in zip(probs.tolist(), u.tolist(), strict=True):
        total, k = row[0], 0
        while total <= noise and k < len(row) - 1:
            k += 1
            total += row[k]
        tokens.append(k)
    return tokens


def surface_by_singular_values(jacobian, z):
    return (
        -0.5 * float(z @ z)
        - 0.5 * len(z) * math.log(2 * math.pi)
        - float(torch.linalg.svdvals(jacobian).log().sum())
    )


def surface_by_qr(jacobian, z):
    normal = MultivariateNormal(torch.zeros(len(z)).double(), torch.eye(len(z)).double())
    return normal.log_prob(z) - torch.linalg.qr(jacobian).R.diagonal().abs().log().sum()


def surface(jacobian, z, *, values=None, constant=None, square=True):
    values = torch.linalg.svdvals(jacobian) if values is None else values
    constant = len(z) if constant is None else constant
    length = z.square().sum() if square else z.norm()
    return -0.5 * (length + constant * math.log(2 * math.pi)) - values.log().sum()


ANSWERS = {
    "window-parameters": Answers(
        right=[
            counted,
            lambda v, n, e, h: float(counted(v, n, e, h)),
            lambda v, n, e, h: torch.tensor(v * e + (n * e + 1) * h + (h + 1) * v),
            lambda v, n, e, h: np.sum([v * e, n * e * h, h, h * v, v]),
        ],
        wrong=[
            lambda v, n, e, h: counted(v, n, e, h) + h,
            lambda v, n, e, h: counted(v, n, e, h) - v,
            lambda v, n, e, h: counted(v, n, e, h) + e,
            lambda v, n, e, h: counted(v, n, e, h) + h * h,
            lambda v, n, e, h: counted(v, n, e, h) - h,
        ],
    ),
    "pushforward-density": Answers(
        right=[
            by_differences,
            lambda x, m, s: LogNormal(m, s).log_prob(x).exp(),
            lambda x, m, s: density(x.double(), m, s).numpy(),
            lambda x, m, s: [
                math.exp(-((math.log(v) - m) ** 2) / (2 * s * s)) / (v * s * math.sqrt(2 * math.pi))
                for v in x.tolist()
            ],
        ],
        wrong=[
            lambda x, m, s: density(x, m, s).log(),
            lambda x, m, s: density(x, m, s, argument=x),
            lambda x, m, s: density(x, m, s) * math.sqrt(2 * math.pi),
            lambda x, m, s: density(x, m, s) / s,
            lambda x, m, s: density(x, m, s, slope=False) / (m + s * x),
        ],
    ),
    "tokens-from-noise": Answers(
        right=[
            token_by_token,
            lambda probs, u: torch.searchsorted(
                probs.cumsum(1), u[:, None].contiguous(), right=True
            )[:, 0],
            lambda probs, u: (probs.cumsum(1) > u[:, None]).int().argmax(1),
            lambda probs, u: np.array(token_by_token(probs, u), dtype=np.float32),
        ],
        wrong=[
            lambda probs, u: (probs.cumsum(1) > u[:, None]).sum(1),
            lambda probs, u: (u * probs.shape[1]).long(),
            lambda probs, u: (probs.flip(1).cumsum(1) <= u[:, None]).sum(1),
            lambda probs, u: (probs.cumsum(1) - u[:, None]).abs().argmin(1),
            lambda probs, u: torch.multinomial(
                probs, 1, generator=torch.Generator().manual_seed(0)
            )[:, 0],
            lambda probs, u: (probs.cumsum(1) <= u[:, None]).sum(1, keepdim=True),
        ],
    ),
    "surface-log-density": Answers(
        right=[
            surface_by_singular_values,
            surface_by_qr,
            lambda jacobian, z: surface(jacobian, z).reshape(1),
            lambda jacobian, z: np.float64(surface_by_singular_values(jacobian, z)),
        ],
        wrong=[
            lambda j, z: surface(j, z, constant=0),
            lambda j, z: surface(j, z, constant=j.shape[0] + 1),
            lambda j, z: surface(j, z, square=False),
            lambda j, z: surface(j, z).exp(),
            lambda j, z: -surface(j, z),
        ],
    ),
}
