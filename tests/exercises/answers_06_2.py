"""Answers to the exercises of the news monitor."""

import math

import numpy as np
import torch

from tests.exercises.answers import Answers


def by_arrays(table):
    counts = np.array(table)
    return np.mean(2 * np.diag(counts) / np.maximum(1, counts.sum(0) + counts.sum(1)))


def by_precision_and_recall(table):
    counts = torch.tensor(table, dtype=torch.float64)
    precision = counts.diag() / counts.sum(0).clamp(min=1)
    recall = counts.diag() / counts.sum(1)
    return (2 * precision * recall / (precision + recall).clamp(min=1e-12)).mean()


def of_the_first_two(table):
    counts = np.array(table)
    return float((2 * np.diag(counts) / (counts.sum(0) + counts.sum(1)))[:2].mean())


def above_the_lowest(z, reference, threshold):
    walk = np.concatenate([[0.0], np.cumsum(np.asarray(z) - reference)])
    above = (walk - np.minimum.accumulate(walk))[1:]
    rings = np.flatnonzero(above > threshold)
    return rings[0] if len(rings) else -1


def by_a_loop(z, reference, threshold):
    total = torch.tensor(0.0, dtype=torch.float64)
    for hour, value in enumerate(z):
        total = (total + value - reference).clamp(min=0)
        if total > threshold:
            return torch.tensor(hour)
    return -1


def falls_to_the_reference(z, reference, threshold):
    total = 0.0
    for hour, value in enumerate(z):
        total = max(reference, total + value - reference)
        if total > threshold:
            return hour
    return -1


def one_too_late(z, reference, threshold):
    found = above_the_lowest(z, reference, threshold)
    return found + 1 if found >= 0 else -1


def mean_above(z, reference, threshold):
    return next((i for i in range(len(z)) if np.mean(z[: i + 1]) > threshold), -1)


ANSWERS = {
    "macro-f1": Answers(
        right=[by_arrays, by_precision_and_recall, lambda table: np.float32(by_arrays(table))],
        wrong=[of_the_first_two, lambda table: 1.0, lambda table: by_arrays(table) / 2],
    ),
    "adjusted-share": Answers(
        right=[
            lambda q, t, f: np.clip((q - f) / (t - f), 0, 1),
            lambda q, t, f: torch.tensor((q - f) / (t - f), dtype=torch.float64).clamp(0, 1),
            lambda q, t, f: sorted([0, (f - q) / (f - t), 1])[1],
        ],
        wrong=[
            lambda q, t, f: min(1.0, max(0.0, (q - f) / t)),
            lambda q, t, f: q * t + (1 - q) * f,
            lambda q, t, f: min(1.0, max(0.0, (q - f) / (t + f))),
        ],
    ),
    "cusum-alarm": Answers(
        right=[above_the_lowest, by_a_loop],
        wrong=[
            one_too_late,
            falls_to_the_reference,
            mean_above,
            lambda z, reference, threshold: 0,
            lambda z, reference, threshold: len(z) - 1,
        ],
    ),
    "some-topic-rings": Answers(
        right=[
            lambda per_day, n: -math.expm1(-per_day * n),
            lambda per_day, n: 1 - np.exp(-per_day) ** n,
            lambda per_day, n: 1 - torch.exp(torch.tensor(-per_day * n, dtype=torch.float64)),
        ],
        wrong=[
            lambda per_day, n: 1 - (1 - per_day) ** n,
            lambda per_day, n: 1 - math.exp(-per_day / n),
            lambda per_day, n: 1.0,
        ],
    ),
}
