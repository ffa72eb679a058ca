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
    for n in (12, 40):
        confidence = torch.rand(n, generator=rng)
        right = torch.rand(n, generator=rng) < confidence
        yield confidence, right, 0.5
    yield torch.tensor([0.2, 0.3]), torch.tensor([True, False]), 0.9
    yield torch.tensor([0.5, 0.75, 0.25]), torch.tensor([False, True, True]), 0.5


@exercise(
    "answer-or-abstain",
    page=PAGE,
    level="research",
    cases=_answers,
    hint="two shares: of all questions that are answered, and of the answered ones that are right.",
    remark="Draw the second over the first for all thresholds: whoever sells the model chooses a "
    "point on that curve.",
    mistakes=[
        Mistake(
            lambda confidence, right, threshold: (
                float((confidence >= threshold).float().mean()),
                float((right & (confidence >= threshold)).float().mean()),
            ),
            "the second share is one of the answered questions, not of all.",
        ),
    ],
)
def answer_or_abstain(
    confidence: Float[Tensor, " N"], right: Bool[Tensor, " N"], threshold: float
) -> tuple[float, float]:
    """Let a model speak only where its confidence reaches a threshold.

    Return the share of the N questions that it answers, and the share of its answers that are
    ``right``; the latter is 1.0 if it answers none.
    """
    answered = confidence >= threshold
    if not answered.any():
        return 0.0, 1.0
    return float(answered.float().mean()), float(right[answered].float().mean())
