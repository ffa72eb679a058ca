"""Answers to the exercises of the outlook."""

import math
from fractions import Fraction

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from tests.exercises.answers import Answers


def by_rank(positive, negative):
    """Mann and Whitney: ranks of the positives among all, equal ones sharing theirs."""
    both = torch.cat([positive, negative])
    ranks = torch.stack([(both < x).sum() + ((both == x).sum() + 1) / 2 for x in both])
    n, m = len(positive), len(negative)
    return (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)


def by_scikit_learn(positive, negative):
    labels = [1] * len(positive) + [0] * len(negative)
    return roc_auc_score(labels, torch.cat([positive, negative]))


def relaxed(maze):
    """Steps to every cell, lowered until nothing changes."""
    height, width = len(maze), len(maze[0])
    steps = np.full((height + 2, width + 2), np.inf)
    steps[1, 1] = 0
    free = np.array([[c != "#" for c in row] for row in maze])
    for _ in range(height * width):
        inner = steps[1:-1, 1:-1]
        around = [steps[:-2, 1:-1], steps[2:, 1:-1], steps[1:-1, :-2], steps[1:-1, 2:]]
        inner[free] = np.minimum(inner, np.min(around, axis=0) + 1)[free]
    end = steps[height, width]
    return -1 if math.isinf(end) else end


def deep_first(maze, way=((0, 0),)):
    """Every way there is, the shortest taken."""
    height, width = len(maze), len(maze[0])
    i, j = way[-1]
    if (i, j) == (height - 1, width - 1):
        return len(way) - 1
    lengths = [
        deep_first(maze, (*way, (a, b)))
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
        if 0 <= a < height and 0 <= b < width and maze[a][b] != "#" and (a, b) not in way
    ]
    return min([n for n in lengths if n >= 0], default=-1)


def first_way(maze):
    """The first way that is found, which need not be a shortest one."""
    height, width = len(maze), len(maze[0])
    steps, stack = {(0, 0): 0}, [(0, 0)]
    while stack:
        i, j = stack.pop()
        for a, b in ((i + 1, j), (i - 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= a < height and 0 <= b < width and maze[a][b] != "#" and (a, b) not in steps:
                steps[a, b] = steps[i, j] + 1
                stack.append((a, b))
    return steps.get((height - 1, width - 1), -1)


ANSWERS = {
    "expected-tries": Answers(
        right=[
            lambda p, n: sum(1 / p for _ in range(n)),
            lambda p, n: np.float32(n) / np.float32(p),
            lambda p, n: torch.tensor(n / p),
            lambda p, n: Fraction(n) / Fraction(p),
            lambda p, n: n + n * (1 - p) / p,
        ],
        wrong=[
            lambda p, n: 1 / p,
            lambda p, n: n / (1 - p) if p < 1 else n,
            lambda p, n: math.ceil(n / p) + 1,
            lambda p, n: math.log(2) / p * n,
        ],
    ),
    "shares-after-the-checker": Answers(
        right=[
            lambda s, a: [float(x * y / (s * a).sum()) for x, y in zip(s, a, strict=True)],
            lambda s, a: (s.log() + a.log()).softmax(0),
            lambda s, a: (s * a).numpy() / float(s @ a),
            lambda s, a: torch.nn.functional.normalize((s * a)[None], p=1)[0],
        ],
        wrong=[
            lambda s, a: (s + a) / (s + a).sum(),
            lambda s, a: (s * a).softmax(0),
            lambda s, a: s * (1 - a) / (s * (1 - a)).sum(),
            lambda s, a: s * a / a.sum(),
        ],
    ),
    "auroc": Answers(
        right=[
            by_rank,
            by_scikit_learn,
            lambda p, n: (p[:, None] - n).sign().mean() / 2 + 0.5,
            lambda p, n: sum((a > b) + (a == b) / 2 for a in p for b in n) / (len(p) * len(n)),
        ],
        wrong=[
            lambda p, n: (p.mean() > n.mean()).float(),
            lambda p, n: (p.median() > n).float().mean(),
            lambda p, n: (p[: min(len(p), len(n))] > n[: min(len(p), len(n))]).float().mean(),
            lambda p, n: 2 * by_rank(p, n) - 1,
        ],
    ),
    "fewest-steps": Answers(
        right=[relaxed, deep_first, lambda maze: torch.tensor(relaxed(maze))],
        wrong=[
            first_way,
            lambda maze: relaxed([row[::-1] for row in maze]),
            lambda maze: relaxed([row.replace("#", ".") for row in maze]),
            lambda maze: sum(row.count(".") for row in maze) - 1,
        ],
    ),
}
