"""Answers to the exercises of customer service."""

import math
import re

import numpy as np
import torch

from tests.exercises.answers import Answers


def counted_up(risk, delta):
    n, p = 0, 1.0
    while p > delta:
        n, p = n + 1, p * (1 - risk)
    return n


def by_sum(confidence, is_right, threshold):
    answered = confidence >= threshold
    n = int(answered.sum())
    return n / len(confidence), int((answered & is_right).sum()) / n if n else 1


def by_numpy(confidence, is_right, threshold):
    answered = confidence.numpy() >= np.float32(threshold)
    right = is_right.numpy()[answered]
    return answered.mean(), right.mean() if len(right) else 1


def by_loop(confidence, is_right, threshold):
    kept = [bool(r) for c, r in zip(confidence, is_right, strict=True) if float(c) >= threshold]
    return torch.tensor([len(kept) / len(confidence), sum(kept) / len(kept) if kept else 1.0])


def by_position(scores, right):
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i == right))
    return 1 / (order.index(right) + 1)


def by_loop_over_words(answer, source):
    def numbers(text):
        return {w.strip(".,") for w in text.split() if w[0].isdigit()}

    return sorted(numbers(answer) - numbers(source))


def numbers_of(text):
    return re.findall(r"\d+(?:\.\d+)?", text)


def not_sorted_out(answer, source):
    return [n for n in numbers_of(answer) if n in numbers_of(source)]


ANSWERS = {
    "messages-needed": Answers(
        right=[
            counted_up,
            lambda risk, delta: np.ceil(np.log(delta) / np.log(1 - risk)),
            lambda risk, delta: torch.tensor(math.log(delta, 1 - risk)).ceil(),
        ],
        wrong=[
            lambda risk, delta: math.ceil(delta / risk),
            lambda risk, delta: math.log(delta) / math.log(1 - risk),
            lambda risk, delta: math.ceil(math.log(1 - delta) / math.log(1 - risk)),
            lambda risk, delta: math.ceil(math.log(delta) / math.log(risk)),
        ],
    ),
    "answered-rightly": Answers(
        right=[by_sum, by_numpy, by_loop, lambda c, r, t: list(by_sum(c, r, t))],
        wrong=[
            lambda c, r, t: by_sum(c, r, t)[::-1],
            lambda c, r, t: (by_sum(c, r, t)[0], float(r.float().mean())),
            lambda c, r, t: (1 - by_sum(c, r, t)[0], by_sum(c, r, t)[1]),
            lambda c, r, t: (by_sum(c, r, t)[0], 1 - by_sum(c, r, t)[1]),
        ],
    ),
    "reciprocal-rank": Answers(
        right=[
            by_position,
            lambda scores, right: 1 / (np.array(scores) >= scores[right]).sum(),
            lambda scores, right: (torch.tensor(scores) >= scores[right]).sum().double() ** -1,
        ],
        wrong=[
            lambda scores, right: 1 / (right + 1),
            lambda scores, right: float(scores[right] == max(scores)),
            lambda scores, right: 1 / (1 + sum(s >= scores[right] for s in scores)),
            lambda scores, right: 1 - sum(s > scores[right] for s in scores) / len(scores),
        ],
    ),
    "invented-numbers": Answers(
        right=[
            by_loop_over_words,
            lambda a, s: tuple(by_loop_over_words(a, s)),
            lambda a, s: sorted({n[0] for n in re.finditer(r"[\d.]*\d", a)} - set(numbers_of(s))),
        ],
        wrong=[
            lambda answer, source: sorted(set(numbers_of(answer)) | set(numbers_of(source))),
            not_sorted_out,
            lambda answer, source: len(by_loop_over_words(answer, source)),
            lambda answer, source: by_loop_over_words(source, answer),
        ],
    ),
}
