"""Answers to the exercises of the page that takes GAN training step by step."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from tests.exercises.answers import Answers


def rmsprop_by_torch(weight, gradient, mean_square, rate, decay, epsilon):
    parameter = weight.clone().requires_grad_()
    optimizer = torch.optim.RMSprop([parameter], lr=rate, alpha=decay, eps=epsilon)
    optimizer.state[parameter] = {"step": torch.tensor(1.0), "square_avg": mean_square.clone()}
    parameter.grad = gradient
    optimizer.step()
    return parameter.detach(), optimizer.state[parameter]["square_avg"]


def rmsprop(weight, gradient, mean_square, rate, decay, epsilon, *, power=0.5, square=True):
    v = decay * mean_square + (1 - decay) * (gradient**2 if square else abs(gradient))
    return weight - rate * gradient / (v**power + epsilon), v


def with_fixed_weights(g, d, z):
    fixed = {name: p.detach() for name, p in d.named_parameters()}
    return F.softplus(-functional_call(d, fixed, g(z))).mean()


def frozen_for_a_while(g, d, z, loss=lambda a: -F.logsigmoid(a).mean()):
    try:
        for parameter in d.parameters():
            parameter.requires_grad = False
        return loss(d(g(z)))
    finally:
        for parameter in d.parameters():
            parameter.requires_grad = True


def generator_frozen(g, d, z):
    g.requires_grad_(False)
    loss = frozen_for_a_while(g, d, z)
    g.requires_grad_(True)
    return loss


def first_layer_frozen(g, d, z):
    layer = next(module for module in d.modules() if isinstance(module, nn.Linear))
    layer.requires_grad_(False)
    loss = F.softplus(-d(g(z))).mean()
    layer.requires_grad_(True)
    return loss


def stop(accuracies, n_test, patience, *, errors=2.0, late=0, in_a_row=True, shift=0):
    """Another way to write the rule, with room for mistakes."""
    best, index, misses = accuracies[0], 0, 0
    for i in range(1, len(accuracies)):
        if best - accuracies[i] > errors / (2 * math.sqrt(n_test)):
            best, index = accuracies[i], i
            misses = 0 if in_a_row else misses
        else:
            misses += 1
            if misses == patience + late:
                break
    return index + shift


ANSWERS = {
    "rmsprop-step": Answers(
        right=[
            rmsprop_by_torch,
            rmsprop,
            lambda *a: rmsprop(*(x.numpy() for x in a[:3]), *a[3:]),
            lambda *a: list(rmsprop(*(x.double() for x in a[:3]), *a[3:])),
        ],
        wrong=[
            lambda *a: rmsprop(*a, power=1),
            lambda *a: rmsprop(*a, square=False),
            lambda *a: rmsprop(*a)[::-1],
            lambda *a: rmsprop(*a)[0],
            lambda *a: (a[0] - a[3] * a[1].sign(), rmsprop(*a)[1]),
        ],
    ),
    "generator-turn": Answers(
        right=[
            with_fixed_weights,
            frozen_for_a_while,
            lambda g, d, z: frozen_for_a_while(
                g, d, z, lambda a: F.binary_cross_entropy_with_logits(a, torch.ones_like(a))
            ),
        ],
        wrong=[
            lambda g, d, z: frozen_for_a_while(g, d, z, lambda a: F.softplus(-a).sum()),
            lambda g, d, z: frozen_for_a_while(g, d, z, lambda a: -F.softplus(a).mean()),
            lambda g, d, z: frozen_for_a_while(g, d, z, lambda a: -a.mean()),
            lambda g, d, z: frozen_for_a_while(g, d, z).detach(),
            lambda g, d, z: frozen_for_a_while(g, d, z).item(),
            generator_frozen,
            first_layer_frozen,
        ],
    ),
    "when-to-stop": Answers(
        right=[
            stop,
            lambda *a: float(stop(*a)),
            lambda *a: torch.tensor(stop(*a)),
        ],
        wrong=[
            lambda *a: stop(*a, errors=1),
            lambda *a: stop(*a, errors=4),
            lambda *a: stop(*a, errors=0),
            lambda *a: stop(*a, late=1),
            lambda *a: stop(*a, in_a_row=False),
            lambda *a: stop(*a, shift=1),
            lambda accuracies, n_test, patience: len(accuracies) - 1,
        ],
    ),
}
