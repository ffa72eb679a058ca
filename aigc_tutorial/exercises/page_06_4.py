"""Exercises of the outlook: what a checker costs, what it changes, and two judges of one's own."""

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "06_4_outlook"


def _accepted(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.25, 1), (0.25, 10), (1.0, 7), (0.04, 3), (0.3, 2))


@exercise(
    "expected-tries",
    page=PAGE,
    level="warm-up",
    cases=_accepted,
    hint="one accepted sample takes 1 / p tries on average, and each further one as many again.",
    remark="At 4 % three accepted samples take 75 tries; a model that is right twice as often "
    "needs half.",
    mistakes=[
        Mistake(
            lambda share, n: share ** (-n),
            "this is how long one waits for n accepted ones in a row. Here others may lie between.",
        ),
        Mistake(
            lambda share, n: n * (1 / share - 1),
            "these are the rejected ones alone. The accepted were tries too.",
        ),
        Mistake(
            lambda share, n: n * share,
            "this is how many of n tries are accepted. The question goes the other way.",
        ),
        Mistake(
            lambda share, n: math.ceil(n / share),
            "each count is whole, their mean need not be.",
        ),
    ],
)
def expected_tries(share_accepted: float, n: int) -> float:
    """How many samples must be drawn on average until n were accepted.

    Each is accepted with probability ``share_accepted``, whatever became of the others.
    """
    return n / share_accepted


def _kinds(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.4])
    yield torch.tensor([0.2, 0.3, 0.5]), torch.tensor([1.0, 0.5, 0.1])
    yield torch.rand(4, generator=rng).softmax(0), torch.rand(4, generator=rng)


@exercise(
    "shares-after-the-checker",
    page=PAGE,
    level="core",
    cases=_kinds,
    hint="of all that is written, shares[k] * accepted[k] is of kind k and accepted. What is kept "
    "must add up to 1.",
    remark="Asked for as many easy as hard ones, of which 80 % and 40 % pass, one keeps twice as "
    "many easy ones.",
    mistakes=[
        Mistake(
            lambda shares, accepted: shares * accepted,
            "these are shares of all that was written. Divide by their sum: the rest is gone.",
        ),
        Mistake(
            lambda shares, accepted: accepted / accepted.sum(),
            "this forgets that not all kinds were written equally often.",
        ),
        Mistake(
            lambda shares, accepted: shares / accepted / (shares / accepted).sum(),
            "this is the other way round: how often each kind must be asked for, so that they "
            "are kept as the shares say.",
        ),
        Mistake(
            lambda shares, accepted: shares,
            "the checker changes the shares: a kind that fails more often is left less often.",
        ),
    ],
)
def shares_after_the_checker(
    shares: Float[Tensor, " K"], accepted: Float[Tensor, " K"]
) -> Float[Tensor, " K"]:
    """Share of each of K kinds among what a checker lets through.

    ``shares`` are those of the kinds among all that is written, ``accepted`` is the part of each
    kind that passes.
    """
    kept = shares * accepted
    return kept / kept.sum()


def _scores(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield torch.tensor([0.9, 0.4]), torch.tensor([0.1, 0.6, 0.3])
    yield torch.tensor([1.0, 2.0, 2.0]), torch.tensor([2.0, 1.0, 0.0, 2.0])
    yield (
        torch.randint(5, (9,), generator=rng).float(),
        torch.randint(4, (7,), generator=rng).float(),
    )


def _area(positive: Tensor, negative: Tensor, tie: float) -> Tensor:
    above = (positive[:, None] > negative).float()
    return (above + tie * (positive[:, None] == negative).float()).mean()


@exercise(
    "auroc",
    page=PAGE,
    level="core",
    cases=_scores,
    hint="compare every positive with every negative: 1 where it is higher, 1/2 where they are "
    "equal; then the mean.",
    remark="A classifier that gives everybody the same score has 1/2, thanks to the ties.",
    mistakes=[
        Mistake(lambda p, n: _area(p, n, 0.0), "pairs that are equal count one half, not nothing."),
        Mistake(lambda p, n: _area(p, n, 1.0), "pairs that are equal count one half, not one."),
        Mistake(
            lambda p, n: _area(n, p, 0.5),
            "this is the probability that the negative is higher: 1 less what was asked for.",
        ),
        Mistake(
            lambda p, n: (p > n.mean()).float().mean(),
            "this compares with one threshold, the negatives' mean. All pairs are asked for.",
        ),
    ],
)
def area_under_roc(
    positive: Float[Tensor, " P"], negative: Float[Tensor, " N"]
) -> Float[Tensor, ""]:
    """Probability that a random positive has a higher score than a random negative.

    Given are the scores of both; where two are equal, half the pair counts.
    """
    above = (positive[:, None] > negative).float()
    equal = (positive[:, None] == negative).float()
    return (above + equal / 2).mean()


def _mazes(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield ([".."],)
    yield (["...", "##.", "..."],)
    yield ([".#.", "...", "##."],)
    yield (["..#", ".#.", "#.."],)
    yield (["....", ".##.", "..#.", "#..."],)
    yield ([".....", "####.", ".....", ".####", "....."],)
    # A short way and a long one, each the first that some order of trying finds.
    yield ([".....", ".###.", ".#...", ".#.##", "....."],)
    yield ([".....", ".###.", ".#...", ".#.#.", "...#."],)


def _fewest(maze: list[str], *, n_moves: int = 4) -> int:
    """Fewest steps with four moves, or with those across corners too."""
    height, width = len(maze), len(maze[0])
    steps = {(0, 0): 0}
    queue = deque([(0, 0)])
    around = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if 0 < abs(a) + abs(b) <= n_moves // 4]
    while queue:
        i, j = queue.popleft()
        for a, b in ((i + down, j + right) for down, right in around):
            inside = 0 <= a < height and 0 <= b < width
            if inside and maze[a][b] != "#" and (a, b) not in steps:
                steps[a, b] = steps[i, j] + 1
                queue.append((a, b))
    return steps.get((height - 1, width - 1), -1)


@exercise(
    "fewest-steps",
    page=PAGE,
    level="research",
    cases=_mazes,
    hint="go on from all cells that were reached in n steps before any that takes n + 1: a queue, "
    "first in, first out. Mark a cell when it is put in.",
    remark="The same queue over pairs of a cell and a key in hand is the solver of this page.",
    mistakes=[
        Mistake(
            lambda maze: len(maze) + len(maze[0]) - 2,
            "this is the way without walls. Walls make it longer, or close it.",
        ),
        Mistake(
            lambda maze: -1 if (n := _fewest(maze)) < 0 else n + 1,
            "this counts the cells of the way. There is one step fewer.",
        ),
        Mistake(
            lambda maze: _fewest(maze, n_moves=8),
            "steps go up, down, left and right, not across a corner.",
        ),
        Mistake(
            lambda maze: max(0, _fewest(maze)),
            "where the goal cannot be reached the answer is -1; 0 would mean being there already.",
        ),
    ],
)
def fewest_steps(maze: list[str]) -> int:
    """Fewest steps from the upper left to the lower right cell of a maze; -1 if no way leads there.

    The maze is a list of equally long strings, "#" for a wall. A step goes one cell up, down, left
    or right. The first and the last cell are free.
    """
    height, width = len(maze), len(maze[0])
    steps = {(0, 0): 0}
    queue = deque([(0, 0)])
    while queue:
        i, j = queue.popleft()
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            inside = 0 <= a < height and 0 <= b < width
            if inside and maze[a][b] != "#" and (a, b) not in steps:
                steps[a, b] = steps[i, j] + 1
                queue.append((a, b))
    return steps.get((height - 1, width - 1), -1)
