"""Answers to the exercises of the page on the mathematics of GANs."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.answers import Answers

LOG_2 = math.log(2)


def bound(real, fake, *, scale=0.5, base=math.e, plus=LOG_2):
    inside = F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()
    return (plus + scale * inside) / math.log(base)


def bound_by_cross_entropy(real, fake):
    loss = F.binary_cross_entropy_with_logits
    both = loss(real, torch.ones_like(real)) + loss(fake, torch.zeros_like(fake))
    return float(math.log(2) - both / 2)


def sorted_as(origins, places):
    """The places in the order of the origins, so that no two ways cross."""
    found = [0.0] * len(places)
    for rank, i in enumerate(sorted(range(len(origins)), key=lambda i: origins[i])):
        found[i] = sorted(places)[rank]
    return found


def by_distribution_functions(x, y):
    """The area between the two, in vertical strips."""
    points = torch.cat([x, y]).double().sort().values
    share = [(v.double() <= points[:, None]).double().mean(1) for v in (x, y)]
    return ((share[0] - share[1]).abs()[:-1] * points.diff()).sum()


def dirac(theta, psi, gamma, step, *, saturating=True, penalty=1.0, constant=0.0):
    """By automatic differentiation of the losses."""
    psi, theta = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (psi, theta))
    loss_d = F.softplus(psi * theta) + penalty * gamma / 2 * psi**2 + constant
    new = (psi - step * torch.autograd.grad(loss_d, psi)[0]).detach()
    loss_g = -F.softplus(new * theta) if saturating else F.softplus(-new * theta)
    return theta.detach() - step * torch.autograd.grad(loss_g, theta)[0], new


def by_bisection(gamma):
    """The largest step for which no eigenvalue of a step leaves the unit circle."""
    jacobian = np.array([[0, 0.5], [-0.5, -gamma]])
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        settles = max(abs(np.linalg.eigvals(np.eye(2) + middle * jacobian))) < 1
        low, high = (middle, high) if settles else (low, middle)
    return low


ANSWERS = {
    "optimal-discriminator": Answers(
        right=[
            lambda a, b: torch.stack([a, b]).softmax(0)[0],
            lambda a, b: (a.double() - b.double()).sigmoid(),
            lambda a, b: (1 + torch.tanh((a - b) / 2)) / 2,
            lambda a, b: (a - torch.logaddexp(a, b)).exp().numpy(),
            lambda a, b: [
                1 / (1 + math.exp(q - p)) for p, q in zip(a.tolist(), b.tolist(), strict=True)
            ],
        ],
        wrong=[
            lambda a, b: (a.exp() - b.exp()).sigmoid(),
            lambda a, b: (a - b).exp(),
            lambda a, b: a.exp() / (a.exp() + b.exp()).clamp(min=1e-30),
            lambda a, b: a / (a + b),
            lambda a, b: (a > b).float(),
        ],
    ),
    "divergence-bound": Answers(
        right=[
            bound,
            bound_by_cross_entropy,
            lambda a, b: bound(a.double(), b.double()).numpy(),
            lambda a, b: (
                math.log(2)
                - np.logaddexp(0, -a.numpy()).mean() / 2
                - np.logaddexp(0, b.numpy()).mean() / 2
            ),
        ],
        wrong=[
            lambda a, b: bound(a, b, base=2),
            lambda a, b: bound(b, a),
            lambda a, b: bound(a, b).clamp(min=0),
            lambda a, b: bound(a, b, plus=math.log(4)),
            lambda a, b: bound(a, b, scale=-0.5),
            lambda a, b: bound(a, b, plus=0.5 * math.log(2)),
        ],
    ),
    "wasserstein-line": Answers(
        right=[
            lambda x, y: np.abs(x.numpy() - sorted_as(x.tolist(), y.tolist())).mean(),
            by_distribution_functions,
            lambda x, y: np.abs(np.sort(x) - np.sort(y)).mean(),
            lambda x, y: (
                sum(abs(a - b) for a, b in zip(sorted(x), sorted(y), strict=True)) / len(x)
            ),
        ],
        wrong=[
            lambda x, y: (x.sort().values - y.sort(descending=True).values).abs().mean(),
            lambda x, y: (x.sort().values - y.sort().values).abs().sum(),
            lambda x, y: (x.sort().values - y.sort().values).mean(),
            lambda x, y: (x.median() - y.median()).abs(),
            lambda x, y: (x.sort().values - y.sort().values).abs().max(),
        ],
    ),
    "dirac-step": Answers(
        right=[
            dirac,
            lambda *a: [float(v) for v in dirac(*a)],
            lambda *a: torch.stack(dirac(*a)),
            lambda *a: dirac(*a, constant=math.log(2)),
        ],
        wrong=[
            lambda *a: dirac(*a, saturating=False),
            lambda *a: dirac(*a, penalty=0.0),
            lambda *a: dirac(*a)[::-1],
            lambda theta, psi, gamma, step: dirac(theta, psi, gamma, -step),
            lambda *a: dirac(*a, penalty=2.0),
            lambda *a: dirac(*a)[0],
        ],
    ),
    "largest-step": Answers(
        right=[
            by_bisection,
            lambda g: 4 * g if g <= 1 else 4 * (g - math.sqrt(g * g - 1)),
            lambda g: torch.tensor(4 * g if g < 1 else 4 / (g + (g**2 - 1) ** 0.5)),
            lambda g: min(
                -2 * v.real / abs(v) ** 2
                for v in np.linalg.eigvals(np.array([[0, 0.5], [-0.5, -g]]))
            ),
        ],
        wrong=[
            lambda g: 4.0,
            lambda g: 1 / g,
            lambda g: min(4 * g, 2 / g),
            lambda g: min(4 * g, 4.0),
            lambda g: 2 * g if g <= 1 else 2 / (g + math.sqrt(g * g - 1)),
            lambda g: 4 * g if g <= 1 else 4 / (g - math.sqrt(g * g - 1)),
        ],
    ),
}
