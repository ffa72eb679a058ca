"""Answers to the exercises of the page on the environment."""

import numpy as np
import torch

from tests.exercises.answers import Answers


def in_a_fork(n, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.randn(n)


def state_put_back(n, seed):
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    numbers = torch.randn(n)
    torch.set_rng_state(state)
    return numbers.numpy()


def seeded_afterwards(n, seed):
    numbers = in_a_fork(n, seed)
    torch.manual_seed(seed)
    return numbers


def line(seconds_a, batch_a, seconds_b, batch_b):
    slope, offset = np.polyfit([batch_a, batch_b], [seconds_a, seconds_b], 1)
    return offset, slope


def solved(seconds_a, batch_a, seconds_b, batch_b):
    matrix = torch.tensor([[1.0, batch_a], [1.0, batch_b]], dtype=torch.float64)
    return torch.linalg.solve(matrix, torch.tensor([seconds_a, seconds_b], dtype=torch.float64))


def rows(first, n, dim, seed, *, seed_of=lambda seed, i: seed + i):
    found = torch.empty(n, dim)
    for place in range(n):
        random = torch.Generator().manual_seed(seed_of(seed, first + place))
        torch.randn(dim, generator=random, out=found[place])
    return found


def one_after_another(first, n, dim, seed):
    random = torch.Generator().manual_seed(seed + first)
    return torch.stack([torch.randn(dim, generator=random) for _ in range(n)])


ANSWERS = {
    "choose-device": Answers(
        right=[
            lambda cuda, mps: "cuda" if cuda else ("mps" if mps else "cpu"),
            lambda cuda, mps: ["cpu", "mps", "cuda"][max(2 * cuda, int(mps))],
            lambda cuda, mps: torch.device("cuda" if cuda else "mps" if mps else "cpu"),
        ],
        wrong=[
            lambda cuda, mps: "cpu",
            lambda cuda, mps: "mps" if mps else "cpu",
            lambda cuda, mps: "CUDA" if cuda else "mps" if mps else "cpu",
            lambda cuda, mps: "cuda:0" if cuda else "mps" if mps else "cpu",
            lambda cuda, mps: "gpu" if cuda else "mps" if mps else "cpu",
        ],
    ),
    "own-randomness": Answers(
        right=[
            in_a_fork,
            state_put_back,
            lambda n, seed: list(in_a_fork(n, seed)),
        ],
        wrong=[
            seeded_afterwards,
            lambda n, seed: torch.randn(n, generator=torch.default_generator.manual_seed(seed)),
            lambda n, seed: torch.rand(n, generator=torch.Generator().manual_seed(seed)),
            lambda n, seed: torch.randn(n, generator=torch.Generator().manual_seed(n)),
            lambda n, seed: torch.randn(n, 1, generator=torch.Generator().manual_seed(seed)),
        ],
    ),
    "call-and-image-seconds": Answers(
        right=[
            line,
            solved,
            lambda a, n, b, m: ((a * m - b * n) / (m - n), (a - b) / (n - m)),
        ],
        wrong=[
            lambda *t: line(*t)[::-1],
            lambda a, n, b, m: ((a + b) / 2, (b - a) / (m - n)),
            lambda a, n, b, m: (a - n * b / m, b / m),
            lambda a, n, b, m: (a, (b - a) / (m - n)),
            lambda a, n, b, m: (a - n * (b - a) / m, (b - a) / m),
        ],
    ),
    "rows-by-number": Answers(
        right=[
            rows,
            lambda *a: rows(*a).tolist(),
            lambda first, n, dim, seed: torch.cat(
                [rows(first + i, 1, dim, seed) for i in range(n)]
            ).numpy(),
        ],
        wrong=[
            one_after_another,
            lambda *a: rows(*a, seed_of=lambda seed, i: seed * i),
            lambda *a: rows(*a, seed_of=lambda seed, i: i),
            lambda first, n, dim, seed: rows(first + 1, n, dim, seed),
            lambda first, n, dim, seed: rows(first, n, dim, seed).T,
        ],
    ),
}
