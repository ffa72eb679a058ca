"""Answers to the exercises of the page on core concepts."""

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.answers import Answers


def pull_by_autograd(z, m, s, w, b):
    m, s = (torch.tensor(float(v), requires_grad=True) for v in (m, s))
    return torch.autograd.grad(F.softplus(-(w * (m + s * z) + b)).mean(), (m, s))


def pull_by_loop(z, m, s, w, b):
    slopes = [-w / (1 + np.exp(w * (m + s * x) + b)) for x in z.tolist()]
    return sum(slopes) / len(z), sum(g * x for g, x in zip(slopes, z.tolist(), strict=True)) / len(
        z
    )


def recall_by_counting(n_pairs, n_values, n_seen):
    """The best answer to each question that the model can be in, over all tables of values."""
    right = Fraction(0)
    for asked in range(n_pairs):
        right += 1 if asked >= n_pairs - n_seen else Fraction(1, n_values)
    return right / n_pairs


def attention_by_loop(q, k, v):
    rows = []
    for t in range(len(q)):
        weights = np.exp([float(q[t] @ k[s]) / q.shape[1] ** 0.5 for s in range(t + 1)])
        rows.append(sum(w * v[s] for s, w in enumerate(weights / weights.sum())))
    return torch.stack(rows)


def attention(q, k, v, *, scale=None, dim=1, diagonal=0, fill=float("-inf")):
    scores = q @ k.T / (scale or q.shape[1] ** 0.5)
    seen = torch.ones_like(scores, dtype=torch.bool).tril(diagonal)
    return scores.masked_fill(~seen, fill).softmax(dim) @ v


def adam_by_torch(parameter, gradient, mean, mean_square, n_steps):
    weight = parameter.clone().requires_grad_()
    optimizer = torch.optim.Adam([weight], lr=0.01)
    optimizer.state[weight] = {
        "step": torch.tensor(n_steps - 1.0),
        "exp_avg": mean.clone(),
        "exp_avg_sq": mean_square.clone(),
    }
    weight.grad = gradient
    optimizer.step()
    state = optimizer.state[weight]
    return weight.detach(), state["exp_avg"], state["exp_avg_sq"]


def adam(parameter, gradient, mean, mean_square, n, *, betas=(0.9, 0.999), late=0, old=False):
    b, c = betas
    m, v = b * mean + (1 - b) * gradient, c * mean_square + (1 - c) * gradient**2
    first, second = (mean, mean_square) if old else (m, v)
    size = (second / (1 - c ** (n + late))) ** 0.5
    return parameter - 0.01 * first / (1 - b ** (n + late)) / (size + 1e-8), m, v


def corrected_averages(*arguments):
    parameter, m, v = adam(*arguments)
    n = arguments[-1]
    return parameter, m / (1 - 0.9**n), v / (1 - 0.999**n)


ANSWERS = {
    "pull-on-the-generator": Answers(
        right=[
            pull_by_autograd,
            pull_by_loop,
            lambda z, *a: torch.stack(pull_by_autograd(z, *a)).double(),
            lambda *a: [float(g) for g in pull_by_loop(*a)],
        ],
        wrong=[
            lambda *a: pull_by_autograd(*a)[::-1],
            lambda *a: pull_by_autograd(*a)[0],
            lambda z, m, s, w, b: pull_by_autograd(z, m, s, w, 0.0),
            lambda z, m, s, w, b: (torch.tensor(-w * 0.5), torch.tensor(0.0)),
        ],
    ),
    "short-sight": Answers(
        right=[
            recall_by_counting,
            lambda n, v, seen: 1 - (1 - seen / n) * (1 - 1 / v),
            lambda n, v, seen: np.mean([1.0] * seen + [1 / v] * (n - seen)),
            lambda n, v, seen: torch.tensor((seen * v + n - seen) / (n * v)),
        ],
        wrong=[
            lambda n, v, seen: max(seen / n, 1 / v),
            lambda n, v, seen: 1 / n + (1 - 1 / n) / v,
            lambda n, v, seen: seen / n + (1 - seen / n) / n,
            lambda n, v, seen: (seen + 1 / v) / n,
            lambda n, v, seen: 1 - (1 - 1 / v) ** seen,
        ],
    ),
    "causal-attention": Answers(
        right=[
            attention_by_loop,
            lambda q, k, v: F.scaled_dot_product_attention(
                q[None, None], k[None, None], v[None, None], is_causal=True
            )[0, 0],
            lambda q, k, v: attention(q.double(), k.double(), v.double()),
            lambda q, k, v: attention(q, k, v, fill=-1e9).numpy(),
        ],
        wrong=[
            lambda q, k, v: attention(q, k, v, scale=q.shape[1]),
            lambda q, k, v: attention(q, k, v, dim=0),
            lambda q, k, v: attention(q, k, v, diagonal=1),
            lambda q, k, v: attention(q, k, v, diagonal=-1, fill=-1e9),
            lambda q, k, v: attention(q, k, v, fill=0.0),
            lambda q, k, v: attention(k, q, v),
        ],
    ),
    "adam-step": Answers(
        right=[
            adam_by_torch,
            adam,
            lambda p, g, m, v, n: adam(p.numpy(), g.numpy(), m.numpy(), v.numpy(), n),
            lambda p, g, m, v, n: adam(p.double(), g.double(), m.double(), v.double(), n),
        ],
        wrong=[
            lambda *a: adam(*a, late=1),
            lambda *a: adam(*a, betas=(0.999, 0.9)),
            lambda *a: adam(*a, old=True),
            corrected_averages,
            lambda *a: adam(*a)[0],
            lambda *a: (a[0] - 0.01 * a[1].sign(), *adam(*a)[1:]),
        ],
    ),
}
