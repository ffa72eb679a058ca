"""Answers to the exercises of the mathematics of autoregressive models."""

import math
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Categorical

from tests.exercises.answers import Answers


def log_p_by_loop(logits, tokens):
    total = 0.0
    for row, token in zip(logits.double().tolist(), tokens.tolist(), strict=True):
        largest = max(row)
        total += row[token] - largest - math.log(sum(math.exp(a - largest) for a in row))
    return total


def chain_by_sequences(data, model, start, length):
    """Over all sequences, with their probabilities."""
    loss = floor = 0.0
    n = min(length, 6)  # longer ones are too many: the next function has them
    for sequence in product(range(len(data)), repeat=n):
        path = [start, *sequence]
        steps = list(zip(path, sequence, strict=False))
        p = math.prod(float(data[a, b]) for a, b in steps)
        if p > 0:
            loss -= p * sum(math.log(model[a, b]) for a, b in steps)
            floor -= p * sum(math.log(data[a, b]) for a, b in steps)
    return loss / n, floor / n


def chain_by_powers(data, model, start, length, *, first=0, reverse=False):
    """Floor plus the mean divergence of the rows, with rows of matrix powers for weights."""
    p, q = data.numpy(), model.numpy()
    visits = sum(np.linalg.matrix_power(p, t)[start] for t in range(first, first + length)) / length
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nan_to_num(p * np.log(p)).sum(1)
        divergence = np.nan_to_num(p * np.log(p / q)).sum(1)
        backwards = np.nan_to_num(q * np.log(q / p), posinf=0).sum(1)
    return visits @ (entropy + (backwards if reverse else divergence)), visits @ entropy


def chain(data, model, start, length):
    if len(data) ** length < 5_000:
        return chain_by_sequences(data, model, start, length)
    return chain_by_powers(data, model, start, length)


def stationary(data, model, start, length):
    return chain_by_powers(data, model, start, length, first=500)


def gradient_by_autograd(logits, tokens, reduction="mean"):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(logits, tokens, reduction=reduction), logits)[0]


def gradient_by_loop(logits, tokens):
    rows = []
    for row, token in zip(logits.double(), tokens.tolist(), strict=True):
        p = (row - row.max()).exp()
        p = p / p.sum()
        rows.append([(float(p[k]) - (k == token)) / len(logits) for k in range(len(row))])
    return rows


def through_time(u, states, last, *, order=None):
    """By products of the whole matrices diag(1 - h²) U."""
    jacobians = [torch.diag(1 - h**2) @ u for h in states[1:]]
    gradients = []
    for t in range(len(states)):
        product_ = torch.eye(len(u), dtype=u.dtype)
        for jacobian in jacobians[t:]:
            product_ = jacobian @ product_
        gradients.append(product_.T @ last)
    return gradients if order is None else gradients[::order]


ANSWERS = {
    "sequence-log-probability": Answers(
        right=[
            log_p_by_loop,
            lambda a, x: -F.cross_entropy(a, x, reduction="sum"),
            lambda a, x: Categorical(logits=a.double()).log_prob(x).sum(),
            lambda a, x: np.float32(log_p_by_loop(a, x)),
        ],
        wrong=[
            lambda a, x: -F.cross_entropy(a, x),
            lambda a, x: math.exp(log_p_by_loop(a, x)),
            lambda a, x: log_p_by_loop(a, x) / math.log(2),
            lambda a, x: Categorical(logits=a).log_prob(x),
            lambda a, x: a.log_softmax(1).amax(1).sum(),
        ],
    ),
    "loss-and-floor": Answers(
        right=[
            chain,
            chain_by_powers,
            lambda *a: torch.tensor(chain_by_powers(*a)).float(),
        ],
        wrong=[
            stationary,
            lambda *a: chain_by_powers(*a, reverse=True),
            lambda *a: chain_by_powers(*a)[::-1],
            lambda *a: (chain_by_powers(*a)[0] - chain_by_powers(*a)[1], chain_by_powers(*a)[1]),
        ],
    ),
    "bits-per-byte": Answers(
        right=[
            lambda nats, n, text: math.log2(math.exp(nats)) * n / len(text.encode()),
            lambda nats, n, text: np.float64(nats * n) / np.log(2) / len(bytes(text, "utf-8")),
            lambda nats, n, text: torch.tensor(
                nats * n / 0.69314718 / sum(len(c.encode()) for c in text)
            ),
        ],
        wrong=[
            lambda nats, n, text: nats * n / math.log(2) / len(text.encode("utf-16-le")),
            lambda nats, n, text: nats * n / math.log(2) / (8 * len(text.encode())),
            lambda nats, n, text: nats * n / math.log(2),
            lambda nats, n, text: nats * len(text.encode()) / n / math.log(2),
            lambda nats, n, text: 2 ** (nats * n / len(text.encode())),
        ],
    ),
    "cross-entropy-gradient": Answers(
        right=[
            gradient_by_autograd,
            gradient_by_loop,
            lambda a, y: gradient_by_autograd(a.double(), y).numpy(),
            lambda a, y: (a.log_softmax(1).exp() - torch.eye(a.shape[1])[y]) / a.shape[0],
        ],
        wrong=[
            lambda a, y: gradient_by_autograd(a, y) / a.shape[1],
            lambda a, y: gradient_by_autograd(a, y).T,
            lambda a, y: (a.softmax(0) - F.one_hot(y, a.shape[1])) / len(y),
            lambda a, y: gradient_by_autograd(a, y, "sum"),
            lambda a, y: gradient_by_autograd(a, y).gather(1, y[:, None]),
            lambda a, y: gradient_by_autograd(a, y).clamp(max=0),
        ],
    ),
    "gradient-through-time": Answers(
        right=[
            through_time,
            lambda u, h, g: torch.stack(through_time(u.double(), h.double(), g.double())),
            lambda u, h, g: [row.numpy() for row in through_time(u, h, g)],
        ],
        wrong=[
            lambda u, h, g: through_time(u, h, g, order=-1),
            lambda u, h, g: through_time(u, h.roll(1, 0), g),
            lambda u, h, g: through_time(u, h.tanh(), g),
            lambda u, h, g: through_time(u, h, g)[1:],
            lambda u, h, g: g.expand(len(h), -1),
        ],
    ),
}
