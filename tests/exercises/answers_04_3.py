"""Answers to the exercises of the MNIST case study."""

import math
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import grad, vmap

from tests.exercises.answers import Answers


def rare(labels, *, share=0.05, tie=False, digits=range(10)):
    counts = Counter(labels.tolist())
    limit = share * len(labels)
    return [d for d in digits if (counts[d] <= limit if tie else counts[d] < limit)]


def image_by_image(discriminator, x):
    total = 0.0
    for image in x:
        image = image[None].clone().requires_grad_()
        total = (
            total
            + torch.autograd.grad(discriminator(image)[0], image, create_graph=True)[0]
            .square()
            .sum()
        )
    return total / len(x)


def by_functions(discriminator, x):
    slopes = vmap(grad(lambda image: discriminator(image[None])[0]))(x)
    return (slopes**2).sum() / len(x)


def slopes(discriminator, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)[0]


def of_the_mean(discriminator, x):
    """The gradient of the mean logit, which is smaller by the size of the batch."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).mean(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


ANSWERS = {
    "scale-pixels": Answers(
        right=[
            lambda p: (p.double().unsqueeze(1) - 127.5) / 127.5,
            lambda p: p.numpy()[:, None] / 127.5 - 1,
            lambda p: 2 * p.float().div(255).view(len(p), 1, *p.shape[1:]) - 1,
            lambda p: torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), p[:, None] / 255),
        ],
        wrong=[
            lambda p: p[:, None] / 128 - 1,
            lambda p: p[:, None] / 255 - 0.5,
            lambda p: 1 - p[:, None] / 127.5,
            lambda p: (p[:, None] - 127) / 128,
            lambda p: p[None] / 127.5 - 1,
            lambda p: (p[:, None].float() - p.float().mean()) / p.float().std(),
        ],
    ),
    "non-saturating-loss": Answers(
        right=[
            lambda a: -F.logsigmoid(a).mean(),
            lambda a: F.binary_cross_entropy_with_logits(a, torch.ones_like(a)),
            lambda a: np.logaddexp(0, -a.numpy()).mean(),
            lambda a: sum(max(-v, 0) + math.log1p(math.exp(-abs(v))) for v in a.tolist()) / len(a),
        ],
        wrong=[
            lambda a: F.softplus(-a.mean()),
            lambda a: F.softplus(-a).mean() / math.log(2),
            lambda a: -a.mean(),
            lambda a: F.softplus(-a),
            lambda a: -a.sigmoid().clamp(min=1e-7).log().mean(),
        ],
    ),
    "missing-digits": Answers(
        right=[
            rare,
            lambda labels: torch.tensor(rare(labels)),
            lambda labels: np.flatnonzero(np.bincount(labels, minlength=10) < len(labels) / 20),
            lambda labels: [torch.tensor(d) for d in rare(labels)],
        ],
        wrong=[
            lambda labels: rare(labels, tie=True),
            lambda labels: rare(labels, digits=range(9)),
            lambda labels: rare(labels, digits=range(9, -1, -1)),
            lambda labels: rare(labels, digits=labels.unique().tolist()),
            lambda labels: len(rare(labels)),
            lambda labels: rare(labels, share=0.02),
        ],
    ),
    "ema-decay": Answers(
        right=[
            lambda half_life, batch: math.exp(-math.log(2) * batch / half_life),
            lambda half_life, batch: np.exp2(-batch / half_life),
            lambda half_life, batch: torch.tensor(0.5).pow(batch / half_life),
        ],
        wrong=[
            lambda half_life, batch: 1 - 0.5 ** (batch / half_life),
            lambda half_life, batch: 1 - 0.5 * batch / half_life,
            lambda half_life, batch: 0.5 ** (half_life / batch),
            lambda half_life, batch: half_life / (half_life + batch),
            lambda half_life, batch: 1 - math.log(2) * (batch / half_life),
        ],
    ),
    "r1-penalty": Answers(
        right=[
            image_by_image,
            by_functions,
            lambda d, x: slopes(d, x).flatten(1).norm(dim=1).pow(2).mean(),
        ],
        wrong=[
            of_the_mean,
            lambda d, x: slopes(d, x).square().flatten(1).sum(1).mean() / 2,
            lambda d, x: slopes(d, x).flatten(1).norm(dim=1).mean().square() + 0 * x.sum(),
            lambda d, x: (slopes(d, x).flatten(1).norm(dim=1) - 1).square().mean(),
            lambda d, x: slopes(d, x).square().flatten(1).sum(1).mean().item(),
        ],
    ),
}
