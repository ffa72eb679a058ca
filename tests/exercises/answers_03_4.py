"""Answers to the exercises of the fields of use."""

import re

import numpy as np
import torch

from tests.exercises.answers import Answers


def row_by_row(data, noise):
    mean, n = data.double().mean(0), len(data)
    return [
        mean
        + sum(float(e) * (x - mean) for e, x in zip(row, data.double(), strict=True))
        / (n - 1) ** 0.5
        for row in noise
    ]


def mixed(data, noise, *, centred=None, power=-0.5, shift=True):
    rest = data - data.mean(0) if centred is None else centred
    return shift * data.mean(0) + noise @ rest * (len(data) - 1) ** power


def after_separator(tokens, separator):
    return [
        [column > row.index(separator) for column in range(len(row))] for row in tokens.tolist()
    ]


def by_positions(tokens, separator):
    place = (tokens == separator).int().argmax(1, keepdim=True)
    return torch.arange(tokens.shape[1]) > place


def lowest_threshold(confidence, right, share, *, none=float("inf"), more=False):
    """From the bottom up, so that the first threshold that keeps the promise is the lowest."""
    for threshold in sorted({float(c) for c in confidence}):
        chosen = [bool(r) for c, r in zip(confidence, right, strict=True) if c >= threshold]
        if np.mean(chosen) > share or (not more and np.mean(chosen) == share):
            return threshold
    return none


def lowest_of_matrix(confidence, right, share):
    reached = confidence[None] >= confidence[:, None]
    shares = (reached & right).sum(1) / reached.sum(1)
    return torch.where(shares >= share, confidence, torch.inf).min()


ANSWERS = {
    "scans": Answers(
        right=[
            lambda text: bool(re.fullmatch(r"(.{5}\n){3}.{5}|(.{7}\n){3}.{7}", text)),
            lambda text: [len(line) for line in text.splitlines()] in ([5] * 4, [7] * 4),
            lambda text: int(text.count("\n") == 3 and {*map(len, text.split("\n"))} in ({5}, {7})),
        ],
        wrong=[
            lambda text: text.count("\n") == 3,
            lambda text: len(text.replace("\n", "")) in (20, 28),
            lambda text: {*map(len, text.split("\n"))} in ({5}, {7}),
            lambda text: [len(line) for line in text.split("\n")][:4] in ([5] * 4, [7] * 4),
            lambda text: len({*map(len, text.split("\n"))}) == 1 and text.count("\n") == 3,
        ],
    ),
    "gaussian-of-data": Answers(
        right=[
            row_by_row,
            lambda data, noise: mixed(data.double(), noise.double()),
            lambda data, noise: (
                data.numpy().mean(0)
                + noise.numpy() @ (data.numpy() - data.numpy().mean(0)) / np.sqrt(len(data) - 1)
            ),
            lambda data, noise: torch.addmm(
                data.mean(0), noise, data - data.mean(0), alpha=(len(data) - 1) ** -0.5
            ),
        ],
        wrong=[
            lambda data, noise: mixed(data, noise, shift=False),
            lambda data, noise: mixed(data, noise, power=0.5),
            lambda data, noise: mixed(data, noise, power=0),
            lambda data, noise: data.mean(0) + data.std(0) * noise[:, : data.shape[1]],
            lambda data, noise: mixed(data, noise, centred=data - data.mean(1, keepdim=True)),
        ],
    ),
    "target-mask": Answers(
        right=[
            after_separator,
            by_positions,
            lambda tokens, separator: (tokens == separator).cumsum(1) - (tokens == separator).int(),
            lambda tokens, separator: by_positions(tokens, separator).numpy(),
        ],
        wrong=[
            lambda tokens, separator: tokens > separator,
            lambda tokens, separator: tokens != separator,
            lambda tokens, separator: (tokens == separator).roll(1, dims=1),
            lambda tokens, separator: by_positions(tokens, separator).nonzero(),
            lambda tokens, separator: ~by_positions(tokens, separator),
            lambda tokens, separator: by_positions(tokens, separator)[:, 1:],
        ],
    ),
    "threshold-of-a-promise": Answers(
        right=[
            lowest_threshold,
            lowest_of_matrix,
            lambda *a: np.float32(lowest_threshold(*a)),
        ],
        wrong=[
            lambda *a: lowest_threshold(*a, none=1.0),
            lambda *a: lowest_threshold(*a, none=None),
            lambda *a: lowest_threshold(*a, more=True),
            lambda c, r, share: share,
            lambda c, r, share: float(c[r].min()) if r.any() else float("inf"),
            lambda c, r, share: float(c.quantile(1 - share)),
            lambda c, r, share: lowest_threshold(c, r, 1 - share),
            lambda c, r, share: lowest_threshold(1 - c, r, share),
        ],
    ),
}
