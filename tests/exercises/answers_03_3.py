"""Answers to the exercises of the page on strengths and limits."""

import math
from itertools import product

import numpy as np
import torch

from tests.exercises.answers import Answers


def missing_by_recursion(n_samples, n_modes):
    """By how many modes are missed after each further sample, on average."""
    missing = float(n_modes)
    for _ in range(n_samples):
        missing -= missing / n_modes
    return np.float64(missing)


def cost_in_closed_form(n_prompt, n_new, weights, layers, width):
    """Sums of the first and second powers from n_prompt to n_prompt + n_new - 1."""
    last, before = n_prompt + n_new - 1, n_prompt - 1
    first = (last * (last + 1) - before * (before + 1)) // 2
    second = (last * (last + 1) * (2 * last + 1) - before * (before + 1) * (2 * before + 1)) // 6
    naive = 2 * weights * first + 4 * layers * width * second
    singles = 2 * weights * (n_new - 1) + 4 * layers * width * (first - n_prompt)
    return naive, singles + 2 * weights * n_prompt + 4 * layers * width * n_prompt**2


def shifted(n_prompt, n_new, weights, layers, width, *, cached=0, attention=1, prompt=0):
    naive, kept = cost_in_closed_form(n_prompt + prompt, n_new, weights, attention * layers, width)
    return naive, kept + cached * 2 * weights


def variation_by_packs(p, q, k):
    return (
        sum(
            abs(math.prod(float(p[i]) for i in pack) - math.prod(float(q[i]) for i in pack))
            for pack in product(range(len(p)), repeat=k)
        )
        / 2
    )


def variation_by_kron(p, q, k):
    a = b = np.ones(1)
    for _ in range(k):
        a, b = np.kron(a, p), np.kron(b, q)
    return np.maximum(a - b, 0).sum()


def total(p, q):
    return float((p - q).abs().sum() / 2)


ANSWERS = {
    "overfitting-heuristic": Answers(
        right=[
            lambda t, h, f: 1 - (h.mean() - f.mean()) / (t.mean() - f.mean()),
            lambda t, h, f: (
                (np.mean(t.numpy()) - np.mean(h.numpy()))
                / (np.mean(t.numpy()) - np.mean(f.numpy()))
            ),
            lambda t, h, f: (
                float(t.double().mean() - h.double().mean())
                / float(t.double().mean() - f.double().mean())
            ),
            lambda t, h, f: (
                (sum(t) / len(t) - sum(h) / len(h)) / (sum(t) / len(t) - sum(f) / len(f))
            ),
        ],
        wrong=[
            lambda t, h, f: (t.median() - h.median()) / (t.median() - f.median()),
            lambda t, h, f: ((t.mean() - h.mean()) / (t.mean() - f.mean())).clamp(0, 1),
            lambda t, h, f: (t.mean() - f.mean()) / (t.mean() - h.mean()),
            lambda t, h, f: (h.mean() - f.mean()) / (t.mean() - f.mean()),
            lambda t, h, f: (t.sum() - h.sum()) / (t.sum() - f.sum()),
            lambda t, h, f: (t > h.mean()).float().mean(),
        ],
    ),
    "missing-by-chance": Answers(
        right=[
            missing_by_recursion,
            lambda n, k: k * math.exp(n * math.log1p(-1 / k)) if k > 1 else 0,
            lambda n, k: torch.tensor(k * (1 - 1 / k) ** n).double(),
        ],
        wrong=[
            lambda n, k: k * math.exp(-n / k),
            lambda n, k: k * (1 - n / k) if n < k else 0.0,
            lambda n, k: round(k * (1 - 1 / k) ** n),
            lambda n, k: k * (1 - (1 - 1 / k) ** n),
            lambda n, k: (k - 1) * (1 - 1 / k) ** n,
        ],
    ),
    "cost-of-writing": Answers(
        right=[
            cost_in_closed_form,
            lambda *a: np.array(cost_in_closed_form(*a)),
            lambda *a: torch.tensor(cost_in_closed_form(*a)).double(),
        ],
        wrong=[
            lambda *a: cost_in_closed_form(*a)[::-1],
            lambda *a: shifted(*a, attention=0),
            lambda *a: shifted(*a, cached=1),
            lambda *a: shifted(*a, cached=-1),
            lambda *a: (cost_in_closed_form(*a)[0],) * 2,
            lambda *a: [value // 2 for value in cost_in_closed_form(*a)],
            lambda *a: sum(cost_in_closed_form(*a)),
        ],
    ),
    "packed-variation": Answers(
        right=[
            variation_by_packs,
            variation_by_kron,
            lambda *a: torch.tensor([variation_by_kron(*a)]),
        ],
        wrong=[
            lambda p, q, k: 1 - (1 - total(p, q)) ** k,
            lambda p, q, k: min(1.0, k * total(p, q)),
            lambda p, q, k: total(p, q) ** k,
            lambda p, q, k: total(p, q),
            lambda p, q, k: 1 - variation_by_kron(p, q, k),
        ],
    ),
}
