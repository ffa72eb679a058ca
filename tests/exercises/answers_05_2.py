"""Answers to the exercises of the page on the implementation."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.answers import Answers


def loss(real, fake):
    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()


def cross_entropy(real, fake):
    """One call for both kinds gives their mean, so twice it."""
    logits = torch.cat([real, fake])
    labels = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    return 2 * F.binary_cross_entropy_with_logits(logits, labels)


def without_graph(g, d, x_real, z):
    with torch.no_grad():
        x_fake = g(z)
    return loss(d(x_real), d(x_fake))


def in_one_batch(g, d, x_real, z):
    return loss(*d(torch.cat([x_real, g(z).detach()])).split([len(x_real), len(z)]))


def frozen_and_back(g, d, x_real, z):
    g.requires_grad_(False)
    value = loss(d(x_real), d(g(z)))
    g.requires_grad_(True)
    return value


def discriminator_without_graph(g, d, x_real, z):
    with torch.no_grad():
        fake = d(g(z))
    return loss(d(x_real), fake)


def from_data(g, d, x_real, z):
    return loss(d(x_real.detach()), d(x_real))


def share_right(logits, labels, *, threshold=0.0):
    pairs = zip(logits[:, 0].tolist(), labels.tolist(), strict=True)
    return sum((a > threshold) == (y == 1) for a, y in pairs) / len(labels)


def steps(weight, optimizer, losses, *, before=(), after=(), rounds=1):
    for value in losses:
        for _ in range(rounds):
            for act in before:
                act(weight, optimizer)
            value().backward()
            optimizer.step()
            for act in after:
                act(weight, optimizer)
    return weight


def clear(weight, optimizer):
    optimizer.zero_grad(set_to_none=False)


def by_hand(weight, optimizer, losses):
    rate = optimizer.param_groups[0]["lr"]
    for value in losses:
        (gradient,) = torch.autograd.grad(value(), weight)
        with torch.no_grad():
            weight -= rate * gradient
    return weight


def sum_of_losses(weight, optimizer, losses):
    optimizer.zero_grad()
    sum(value() for value in losses).backward()
    optimizer.step()
    return weight


def without_return(weight, optimizer, losses):
    steps(weight, optimizer, losses, before=[clear])


def zeros_after_all(weight, optimizer, losses):
    return torch.zeros_like(steps(weight, optimizer, losses, before=[clear]))


def last_loss_alone(weight, optimizer, losses):
    return steps(weight, optimizer, losses[-1:], before=[clear])


class Reversed(torch.autograd.Function):
    """The identity, whose backward pass turns the sign."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def with_hook(x):
    y = x * 1.0
    y.register_hook(lambda gradient: -gradient)
    return y


ANSWERS = {
    "discriminator-loss": Answers(
        right=[
            loss,
            cross_entropy,
            lambda real, fake: loss(real.double(), fake.double()).item(),
            lambda real, fake: (
                np.logaddexp(0, -real.numpy()).mean() + np.logaddexp(0, fake.numpy()).mean()
            ),
        ],
        wrong=[
            lambda real, fake: cross_entropy(real, fake) / 2,
            lambda real, fake: F.softplus(fake - real).mean(),
            lambda real, fake: fake.mean() - real.mean(),
            lambda real, fake: -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean(),
            lambda real, fake: loss(real, fake) / math.log(2),
            lambda real, fake: loss(real, fake) * len(real),
        ],
    ),
    "detach": Answers(
        right=[without_graph, in_one_batch, frozen_and_back],
        wrong=[
            discriminator_without_graph,
            from_data,
            lambda g, d, x_real, z: without_graph(g, d, x_real, z).detach(),
            lambda g, d, x_real, z: loss(d(g(z).detach()), d(x_real)),
            lambda g, d, x_real, z: F.softplus(-d(g(z).detach())).mean(),
        ],
    ),
    "broadcasting": Answers(
        right=[
            share_right,
            lambda a, y: ((a > 0).int().flatten() == y).double().mean(),
            lambda a, y: np.mean((a.numpy()[:, 0] > 0) == (y.numpy() == 1)),
            lambda a, y: 1 - (a.squeeze(1).sigmoid().round() - y).abs().mean(),
        ],
        wrong=[
            lambda a, y: share_right(-a, y),
            lambda a, y: share_right(a, y, threshold=0.5),
            lambda a, y: ((2 * y - 1) * a.view(-1) > 0).float().mean(),
            lambda a, y: ((a > 0).float() - y).abs().mean(),
            lambda a, y: ((a[:, 0] > 0) == y.bool()).float(),
            lambda a, y: (a[:, 0] > 0).float().mean(),
        ],
    ),
    "zero-grad": Answers(
        right=[
            by_hand,
            lambda *a: steps(*a, before=[clear]),
            lambda *a: steps(*a, after=[clear]),
            lambda *a: steps(*a, before=[clear]).tolist(),
        ],
        wrong=[
            without_return,
            zeros_after_all,
            sum_of_losses,
            last_loss_alone,
            lambda *a: steps(*a, before=[clear], rounds=2),
            lambda w, o, losses: steps(w, o, losses[::-1], before=[clear]),
            lambda w, o, losses: [value().backward() for value in losses],
            lambda w, o, losses: steps(w, o, losses[1:], before=[clear]),
        ],
    ),
    "reverse-gradient": Answers(
        right=[
            Reversed.apply,
            with_hook,
            lambda x: x.detach() + (x.detach() - x),
        ],
        wrong=[
            lambda x: x.detach(),
            lambda x: 2 * x - x.detach(),
            lambda x: 3 * x.detach() - 2 * x,
            lambda x: x.detach() * 2 - x.abs(),
            lambda x: -x.detach() + 2 * x,
        ],
    ),
}
