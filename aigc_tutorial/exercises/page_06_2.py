"""Exercises of the news monitor: scores, shares, detectors."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "06_2_news_monitoring"


def _table_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield ([[8, 1, 3], [2, 5, 3], [6, 4, 60]],)
    yield ([[0, 0, 10], [0, 0, 10], [0, 0, 80]],)
    yield (torch.randint(1, 30, (3, 3), generator=rng).tolist(),)


def _f1s(table: Sequence[Sequence[int]], *, weighted: bool = False) -> float:
    n_classes = range(len(table))
    scores = [
        2 * table[k][k] / (sum(table[k]) + sum(row[k] for row in table)) if sum(table[k]) else 0.0
        for k in n_classes
    ]
    weights = [sum(row) if weighted else 1 for row in table]
    return sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights)


def _f1_of_means(table: Sequence[Sequence[int]]) -> float:
    n = len(table)
    recall = sum(table[k][k] / max(1, sum(table[k])) for k in range(n)) / n
    precision = sum(table[k][k] / max(1, sum(row[k] for row in table)) for k in range(n)) / n
    return 2 * precision * recall / (precision + recall)


@exercise(
    "macro-f1",
    page=PAGE,
    level="warm-up",
    cases=_table_cases,
    hint="a class's F1 is 2 TP / (2 TP + FP + FN): twice its diagonal, by its row plus its column.",
    remark="The second case is a classifier that always says neutral: accuracy 0.8, macro-F1 0.3.",
    mistakes=[
        Mistake(
            lambda table: sum(table[k][k] for k in range(len(table))) / sum(map(sum, table)),
            "that is the accuracy, which a classifier that always says neutral makes high.",
        ),
        Mistake(
            lambda table: _f1s(table, weighted=True),
            "each class counts the same here, whatever its number of texts.",
        ),
        Mistake(
            _f1_of_means,
            "that is the F1 of the mean precision and the mean recall; take each class's F1 "
            "first, then the mean.",
        ),
        Mistake(
            lambda table: (
                sum(table[k][k] / max(1, sum(table[k])) for k in range(len(table))) / len(table)
            ),
            "that is the mean recall: what is named by mistake costs nothing in it.",
        ),
    ],
)
def macro_f1_of_table(table: Sequence[Sequence[int]]) -> float:
    """Mean over the classes of F1, from a table of counts.

    ``table[i][j]`` texts of class i were named j. Every class has a text.
    """
    return _f1s(table)


def _share_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.2, 0.6, 0.05), (0.04, 0.6, 0.05), (0.9, 0.8, 0.1), (0.35, 0.9, 0.3))


@exercise(
    "adjusted-share",
    page=PAGE,
    level="core",
    cases=_share_cases,
    hint="named = share × true_rate + (1 − share) × false_rate; solve for the share, then cut off.",
    remark="The further the two rates are apart, the less a small error of them is enlarged.",
    mistakes=[
        Mistake(
            lambda named, true_rate, false_rate: named,
            "that is classify and count, whose bias is what you are to undo.",
        ),
        Mistake(
            lambda named, true_rate, false_rate: (named - false_rate) / (true_rate - false_rate),
            "a share lies between 0 and 1: cut off what chance puts outside.",
        ),
        Mistake(
            lambda named, true_rate, false_rate: min(1.0, named / true_rate),
            "the texts that are named by mistake are still in it.",
        ),
        Mistake(
            lambda named, true_rate, false_rate: min(1.0, max(0.0, named - false_rate)),
            "some of the class are missed: divide by the difference of the rates.",
        ),
    ],
)
def unbiased_share(named: float, true_rate: float, false_rate: float) -> float:
    """Share of bad news, from the share of texts that a classifier names bad news.

    It names bad news so with probability ``true_rate``, and others with ``false_rate``, which is
    smaller. Chance can put the result outside of what a share can be.
    """
    return min(1.0, max(0.0, (named - false_rate) / (true_rate - false_rate)))


def _walk_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    quiet = torch.randn(40, generator=rng, dtype=torch.float64)
    yield [0.2, 1.5, -3.0, 1.0, 2.0, 2.5, 0.0], 0.5, 3.0
    yield [1.0, 1.0, 1.0], 0.5, 1.5
    yield (quiet + (torch.arange(40) > 20) * 1.5).tolist(), 0.5, 4.0
    yield [0.1] * 5, 0.5, 1.0
    yield [-5.0, 3.0, 0.0], 0.5, 2.0
    yield [-1.0, 2.2], 0.5, 2.0


def _ring(
    z: Sequence[float],
    reference: float,
    threshold: float,
    *,
    floor: float = 0.0,
    at_least: bool = False,
) -> int:
    total = 0.0
    for hour, value in enumerate(z):
        total = max(floor, total + value - reference)
        if total > threshold or (at_least and total == threshold):
            return hour
    return -1


@exercise(
    "cusum-alarm",
    page=PAGE,
    level="core",
    cases=_walk_cases,
    hint="keep one number; add value − reference, never let it fall below 0, compare.",
    remark="The sum remembers just what is needed: how long, and how far, it has been above.",
    mistakes=[
        Mistake(
            lambda z, reference, threshold: _ring(z, reference, threshold, floor=-math.inf),
            "quiet hours must not be saved up: the sum never falls below 0.",
        ),
        Mistake(
            lambda z, reference, threshold: _ring(z, 0.0, threshold),
            "without the reference the sum climbs even when nothing happens.",
        ),
        Mistake(
            lambda z, reference, threshold: next(
                (i for i, value in enumerate(z) if value > threshold), -1
            ),
            "that looks at one hour alone; a small rise that lasts is never found.",
        ),
        Mistake(
            lambda z, reference, threshold: _ring(z, reference, threshold, at_least=True),
            "it rings above the threshold, not at it.",
        ),
        Mistake(
            lambda z, reference, threshold: _ring(z, reference, threshold, floor=reference),
            "the sum falls back to 0; from the reference on it would ring too soon.",
        ),
        Mistake(
            lambda z, reference, threshold: _ring(z, reference, threshold) + 1,
            "positions begin with 0.",
        ),
    ],
)
def first_alarm(z: Sequence[float], reference: float, threshold: float) -> int:
    """Position of the first hour in which a CUSUM exceeds its threshold; -1 if it never does.

    ``z`` are the standardised hours, the sum begins at 0.
    """
    return _ring(z, reference, threshold)


def _size_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.5, 6), (1 / 7, 20), (0.1, 1), (2.0, 3))


@exercise(
    "some-topic-rings",
    page=PAGE,
    level="research",
    cases=_size_cases,
    hint="false alarms come as a Poisson process; the processes of the topics add up.",
    remark="With twenty topics that ring once a week each, nearly every day has a false alarm: "
    "somebody will soon switch the bell off.",
    mistakes=[
        Mistake(
            lambda per_day, n_topics: min(1.0, per_day * n_topics),
            "that is the expected number of false alarms, of which a day can have several.",
        ),
        Mistake(
            lambda per_day, n_topics: 1 - math.exp(-per_day),
            "that is for one topic: any of them can ring.",
        ),
        Mistake(
            lambda per_day, n_topics: 1 - (1 - per_day) ** n_topics,
            "per_day is no probability: a topic can ring twice in a day, and per_day exceed 1.",
        ),
        Mistake(
            lambda per_day, n_topics: (1 - math.exp(-per_day)) ** n_topics,
            "that is the probability that all of them ring.",
        ),
        Mistake(
            lambda per_day, n_topics: math.exp(-per_day * n_topics),
            "that is the probability of a day without a false alarm.",
        ),
    ],
)
def any_false_alarm(per_day: float, n_topics: int) -> float:
    """Probability that a day has a false alarm of some topic.

    Each of ``n_topics`` independent detectors has ``per_day`` false alarms a day in the mean, at
    random times.
    """
    return 1 - math.exp(-per_day * n_topics)
