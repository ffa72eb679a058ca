"""Exercises of the fields of use."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "03_4_applications"


def _poems(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for lengths in (
        (5, 5, 5, 5),
        (7, 7, 7, 7),
        (5, 7, 5, 7),
        (5, 5, 5),
        (6, 6, 6, 6),
        (7, 7, 7, 8),
        (5, 4, 6, 5),  # as long in all as a regular one
        (7, 6, 8, 7),
        (5, 5, 5, 5, 5),
    ):
        yield ("\n".join("月" * length for length in lengths),)
    yield ("月" * 20,)


@exercise(
    "scans",
    page=PAGE,
    level="warm-up",
    cases=_poems,
    hint="split the text into lines, count them, and look at the set of their lengths.",
    remark="A measure that is a line of code can be run on a thousand samples. An opinion cannot.",
    mistakes=[
        Mistake(
            lambda text: {len(line) for line in text.split("\n")} <= {5, 7},
            "all four lines must have the same length, and there must be four.",
        ),
        Mistake(
            lambda text: len({len(line) for line in text.split("\n")}) == 1,
            "equal lines are not enough: four of them, of 5 characters or of 7.",
        ),
        Mistake(
            lambda text: len(text) in (23, 31) and text.count("\n") == 3,
            "a line too short and one too long make up for each other in the total. Look at each.",
        ),
    ],
)
def scans(text: str) -> bool:
    """Say whether a text is a regular quatrain: four lines of 5 characters each, or of 7 each.

    Lines are separated by a line break; there is none at the end.
    """
    lengths = [len(line) for line in text.split("\n")]
    return lengths in ([5] * 4, [7] * 4)


def _clouds(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_data, n_pixels, n_new in ((5, 3, 4), (40, 6, 2)):
        data = torch.randn(n_data, n_pixels, generator=rng) + 2
        yield data, torch.randn(n_new, n_data, generator=rng)


@exercise(
    "gaussian-of-data",
    page=PAGE,
    level="core",
    cases=_clouds,
    hint="subtract the mean from the data, mix what is left with the noise, scale, add the mean.",
    remark="No covariance matrix was needed. What this cannot make is anything that two numbers a "
    "pair of pixels do not say.",
    mistakes=[
        Mistake(
            lambda data, noise: (
                data.mean(dim=0) + noise @ (data - data.mean(dim=0)) / math.sqrt(len(data))
            ),
            "the unbiased covariance divides by N - 1.",
        ),
        Mistake(
            lambda data, noise: data.mean(dim=0) + noise @ data / math.sqrt(len(data) - 1),
            "mix deviations from the mean, not the data themselves.",
        ),
        Mistake(
            lambda data, noise: (
                data.mean(dim=0) + noise @ (data - data.mean(dim=0)) / (len(data) - 1)
            ),
            "a covariance is quadratic: its factor N - 1 becomes a root here.",
        ),
    ],
)
def gaussian_of_data(
    data: Float[Tensor, "N D"], noise: Float[Tensor, "B N"]
) -> Float[Tensor, "B D"]:
    """Draw from the Gaussian with the mean and the unbiased covariance of ``data`` (N, D).

    ``noise`` (B, N) is standard normal. Return B samples; row b mixes the N deviations from the
    mean with the weights ``noise[b]``.
    """
    mean = data.mean(dim=0)
    return mean + noise @ (data - mean) / math.sqrt(len(data) - 1)


def _translations(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_rows, n_tokens, separator in ((3, 8, 9), (2, 5, 7)):
        tokens = torch.randint(separator, (n_rows, n_tokens), generator=rng)
        where = torch.randint(1, n_tokens - 1, (n_rows, 1), generator=rng)
        yield tokens.scatter(1, where, separator), separator


@exercise(
    "target-mask",
    page=PAGE,
    level="core",
    cases=_translations,
    hint="count separators along the row with cumsum: it is 0 before the first, and 1 from it on.",
    remark="The same mask fine-tunes a chat model on the answers alone, and not on the questions.",
    mistakes=[
        Mistake(
            lambda tokens, separator: (tokens == separator).cumsum(dim=1) > 0,
            "the separator itself is part of the question: it is given, not predicted.",
        ),
        Mistake(
            lambda tokens, separator: (tokens == separator).cumsum(dim=1) == 0,
            "True belongs to what is predicted, which stands after the separator.",
        ),
    ],
)
def target_mask(tokens: Int64[Tensor, "B T"], separator: int) -> Bool[Tensor, "B T"]:
    """Say of each token whether it belongs to the translation.

    A row is a source, one ``separator``, and the target, none of which contains another separator.
    """
    before = (tokens == separator).cumsum(dim=1) - (tokens == separator).long()
    return before > 0


def _answers(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    # the surest answer is wrong, and the promise is kept further down
    yield torch.tensor([0.6, 0.9, 0.4, 0.8]), torch.tensor([True, False, False, True]), 0.6
    # two answers share a confidence: a threshold takes both or neither
    yield torch.tensor([0.9, 0.5, 0.5, 0.25]), torch.tensor([True, True, False, False]), 0.75
    # the promise is just kept when all are answered
    yield torch.tensor([0.4, 0.2, 0.8, 0.6]), torch.tensor([True, False, True, True]), 0.75
    yield torch.tensor([0.25, 0.5]), torch.tensor([False, False]), 0.5  # never kept
    for n, share in ((12, 0.7), (40, 0.85)):
        confidence = torch.rand(n, generator=rng)
        yield confidence, torch.rand(n, generator=rng) < confidence, share


def _kept(
    confidence: Tensor, right: Tensor, share: float, *, strict: bool = False, of_all: bool = False
) -> list[float]:
    """Confidences that keep the promise as a threshold, in descending order."""
    kept = []
    for threshold in confidence.unique().flip(0):
        answered = confidence > threshold if strict else confidence >= threshold
        n = len(right) if of_all else int(answered.sum())
        if n and int(right[answered].sum()) >= share * n:
            kept.append(float(threshold))
    return kept


def _lowest(confidence: Tensor, right: Tensor, share: float, **how: bool) -> float:
    return min(_kept(confidence, right, share, **how), default=math.inf)


def _until_broken(confidence: Tensor, right: Tensor, share: float) -> float:
    kept = _kept(confidence, right, share)
    steps = zip(confidence.unique().flip(0).tolist(), [*kept, math.inf], strict=False)
    unbroken = [threshold for threshold, keeps in steps if threshold == keeps]
    return min(unbroken, default=math.inf)


def _one_by_one(confidence: Tensor, right: Tensor, share: float) -> float:
    values, order = confidence.sort(descending=True, stable=True)
    shares = right[order].double().cumsum(0) / torch.arange(1, len(right) + 1)
    return min(values[shares >= share].tolist(), default=math.inf)


@exercise(
    "threshold-of-a-promise",
    page=PAGE,
    level="research",
    cases=_answers,
    hint="only the confidences themselves can be the answer. For each, ask how many of the answers "
    "at or above it are right.",
    remark="A threshold that is chosen so keeps its promise on these answers. On new ones, measure "
    "again.",
    mistakes=[
        Mistake(
            _until_broken,
            "the share of right answers does not only fall as the threshold falls. Where it has "
            "fallen short, it may rise again.",
        ),
        Mistake(
            _one_by_one,
            "two answers may have the same confidence. A threshold lets both through, or neither.",
        ),
        Mistake(
            lambda confidence, right, share: max(_kept(confidence, right, share), default=math.inf),
            "that keeps the promise and answers the least. The lowest threshold answers the most.",
        ),
        Mistake(
            lambda confidence, right, share: _lowest(confidence, right, share, strict=True),
            "a question whose confidence is the threshold itself is answered.",
        ),
        Mistake(
            lambda confidence, right, share: _lowest(confidence, right, share, of_all=True),
            "the share is one of the answered questions, not of all.",
        ),
    ],
)
def threshold_of_a_promise(
    confidence: Float[Tensor, " N"], right: Bool[Tensor, " N"], share: float
) -> float:
    """Find where a model may speak if a share of its answers must be right.

    It answers the questions whose ``confidence`` reaches a threshold. Return the lowest of the N
    confidences with which, as the threshold, at least ``share`` of the answers are ``right``; if
    there is none, infinity.
    """
    lowest = math.inf
    for threshold in confidence.tolist():
        answered = right[confidence >= threshold]
        if int(answered.sum()) >= share * len(answered):
            lowest = min(lowest, threshold)
    return lowest
