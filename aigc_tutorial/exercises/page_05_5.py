"""Exercises of the page on production: queues, batches, honest choices, adapters, many devices."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "05_5_engineering"


def _visit_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n in (3, 20):
        arrivals = torch.rand(n, generator=rng, dtype=torch.float64).cumsum(0) + 5
        departures = arrivals + 3 * torch.rand(n, generator=rng, dtype=torch.float64)
        yield arrivals.tolist(), departures.tolist()
    yield [0.0, 0.0, 1.0], [4.0, 2.0, 1.5]


def _mean_time(arrivals: Sequence[float], departures: Sequence[float]) -> float:
    return sum(b - a for a, b in zip(arrivals, departures, strict=True)) / len(arrivals)


def _mean_inside_to(end: float, arrivals: Sequence[float], departures: Sequence[float]) -> float:
    inside = sum(b - a for a, b in zip(arrivals, departures, strict=True))
    return inside / (end - min(arrivals)) if end > min(arrivals) else math.inf


@exercise(
    "mean-inside",
    page=PAGE,
    level="core",
    cases=_visit_cases,
    hint="each request counts as one for as long as it is inside: add up, and divide by the time.",
    remark="Divide and multiply by the number of requests, and Little's law stands there.",
    mistakes=[
        Mistake(_mean_time, "this is W, the mean time of a request, not the mean number inside."),
        Mistake(
            lambda arrivals, departures: _mean_inside_to(max(arrivals), arrivals, departures),
            "the time goes on until the last one leaves, not until the last one comes.",
        ),
        Mistake(
            lambda arrivals, departures: _mean_inside_to(
                max(departures) + min(arrivals), arrivals, departures
            ),
            "the clock begins with the first arrival, which need not be at 0.",
        ),
        Mistake(
            lambda arrivals, departures: _mean_inside_to(departures[-1], arrivals, departures),
            "the last one to come need not be the last one to leave.",
        ),
    ],
)
def mean_inside(arrivals: Sequence[float], departures: Sequence[float]) -> float:
    """Mean number of requests inside, from the first arrival to the last departure.

    Request i comes at ``arrivals[i]`` and leaves at ``departures[i]``, both in seconds; arrivals
    are in their order, departures need not be.
    """
    inside = sum(b - a for a, b in zip(arrivals, departures, strict=True))
    return inside / (max(departures) - min(arrivals))


def _batch_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    # Only half is ever reached exactly, with powers of two: no answer depends on how it rounds.
    yield from ((4.0, 0.25, 0.5), (1.0, 0.13, 0.9), (3.0, 2.0, 0.5), (0.1, 1.0, 0.25))


def _batch(overhead: float, each: float, share: float) -> float:
    return share * overhead / ((1 - share) * each)


@exercise(
    "batch-for-a-share",
    page=PAGE,
    level="warm-up",
    cases=_batch_cases,
    hint="no batch writes more than 1 / each tokens a second; set b / (overhead + each b) equal "
    "to that share of it, and solve for b.",
    remark="Half of the highest rate is reached where a batch takes twice its overhead. More "
    "costs each client time, and brings the service less and less.",
    mistakes=[
        Mistake(
            lambda overhead, each, share: _batch(overhead, each, share),
            "a batch is a whole number of sequences: the next one above, and at least one.",
        ),
        Mistake(
            lambda overhead, each, share: max(1, math.floor(_batch(overhead, each, share))),
            "rounded down, the batch does not reach that share any more.",
        ),
        Mistake(
            lambda overhead, each, share: max(1, math.ceil(_batch(overhead, each, 1 - share))),
            "this batch leaves that share to be gained; it should reach it.",
        ),
        Mistake(
            lambda overhead, each, share: max(1, math.ceil(share / each)),
            "1 / each is the highest rate, in tokens a second; the overhead decides how large a "
            "batch comes near to it.",
        ),
    ],
)
def smallest_batch(overhead: float, each: float, share: float) -> int:
    """Smallest batch whose rate is at least ``share`` of the highest rate of any batch.

    A step that writes one token of each of b sequences takes overhead + each * b seconds.
    """
    return max(1, math.ceil(_batch(overhead, each, share) - 1e-9))


def _choice_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n in (4, 12):
        quality = 0.6 + 0.1 * torch.rand(n, generator=rng, dtype=torch.float64)
        noise = torch.randn(2, n, generator=rng, dtype=torch.float64)
        validation, test = (quality + 0.05 * part for part in noise)
        yield validation.tolist(), test.tolist()
    yield [0.7, 0.9, 0.8], [0.8, 0.6, 0.9]


@exercise(
    "honest-choice",
    page=PAGE,
    level="warm-up",
    cases=_choice_cases,
    hint="one set of numbers chooses, the other one is looked at once, at the chosen place.",
    remark="Look at the test set a second time, to choose again, and it is a validation set.",
    mistakes=[
        Mistake(
            lambda validation, test: max(test),
            "this chooses by the test data, on which the chosen one then looks better than it is.",
        ),
        Mistake(
            lambda validation, test: max(validation),
            "this is the validation accuracy, by which was chosen: it is too good.",
        ),
        Mistake(
            lambda validation, test: sum(test) / len(test),
            "this is the mean of all trials, and one was to be chosen.",
        ),
        Mistake(
            lambda validation, test: test[min(range(len(test)), key=lambda i: validation[i])],
            "these are accuracies: the higher the better.",
        ),
    ],
)
def honest_accuracy(validation: Sequence[float], test: Sequence[float]) -> float:
    """Accuracy to report of the best of several trials.

    Trial i reached the accuracy ``validation[i]`` on validation data and ``test[i]`` on test data.
    """
    return test[max(range(len(validation)), key=lambda i: validation[i])]


def _lora_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_out, n_in, rank, alpha in ((5, 3, 2, 4.0), (4, 4, 1, 1.0), (3, 6, 2, 1.0)):
        shapes = ((n_out, n_in), (rank, n_in), (n_out, rank))
        weight, a, b = (torch.randn(*s, generator=rng, dtype=torch.float64) for s in shapes)
        yield weight, a, b, alpha


@exercise(
    "merge-lora",
    page=PAGE,
    level="core",
    cases=_lora_cases,
    hint="B (d_out, r) times A (r, d_in) has the shape of the weight.",
    remark="The change has rank r at most; the sum may have any rank, in general a full one.",
    mistakes=[
        Mistake(
            lambda weight, a, b, alpha: weight + b @ a, "the correction is scaled by alpha / r."
        ),
        Mistake(
            lambda weight, a, b, alpha: weight + alpha * b @ a,
            "the scale is alpha divided by the rank, so that another rank needs no other rate.",
        ),
        Mistake(
            lambda weight, a, b, alpha: alpha / len(a) * b @ a,
            "this is the correction alone; it is added to W.",
        ),
        Mistake(
            lambda weight, a, b, alpha: weight + alpha / a.shape[1] * b @ a,
            "the rank is the number of rows of A, not the width of the input.",
        ),
        Mistake(
            lambda weight, a, b, alpha: weight.add_(b @ a, alpha=alpha / len(a)),
            "W itself has changed: nobody can take the correction off again.",
        ),
    ],
    observe=lambda arguments, result: {
        "the merged weight": result,
        "the weight W that was given, afterwards": arguments[0],
    },
)
def merged_weight(
    weight: Float[Tensor, "d_out d_in"],
    a: Float[Tensor, "r d_in"],
    b: Float[Tensor, "d_out r"],
    alpha: float,
) -> Float[Tensor, "d_out d_in"]:
    """One matrix that does what a weight W and its LoRA factors A and B do together.

    W has the shape (d_out, d_in), A (r, d_in) and B (d_out, r). W must stay as it is.
    """
    return weight + alpha / len(a) * b @ a


def _part_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for sizes in ((3, 5), (1, 1, 8), (4, 4)):
        yield (
            [torch.randn(2, generator=rng, dtype=torch.float64) for _ in sizes],
            list(sizes),
        )


def _weighted(gradients: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    return torch.stack([w * g for w, g in zip(weights, gradients, strict=True)]).sum(0)


@exercise(
    "whole-batch-gradient",
    page=PAGE,
    level="core",
    cases=_part_cases,
    hint="a mean times its number is a sum; the sums of the parts add up to that of the whole.",
    remark="The package divides each process's loss by the mean number of tokens of a process, so "
    "that the mean of the gradients is that of the whole batch.",
    mistakes=[
        Mistake(
            lambda gradients, n_tokens: _weighted(gradients, [1 / len(gradients)] * len(gradients)),
            "the mean of means gives a token of a small part more weight than one of a large part.",
        ),
        Mistake(
            lambda gradients, n_tokens: _weighted(gradients, n_tokens),
            "divide by the number of all tokens.",
        ),
        Mistake(
            lambda gradients, n_tokens: _weighted(gradients, [1.0] * len(gradients)),
            "the sum of means grows with the number of processes, and each step with it.",
        ),
        Mistake(
            lambda gradients, n_tokens: _weighted(gradients, [1 / sum(n_tokens)] * len(gradients)),
            "each gradient is a mean already: make it a sum before you divide by all tokens.",
        ),
    ],
)
def whole_batch_gradient(
    gradients: Sequence[Float[Tensor, " P"]], n_tokens: Sequence[int]
) -> Float[Tensor, " P"]:
    """Gradient of the mean loss over all tokens of a batch that several processes share.

    Process i has the gradient ``gradients[i]`` of the mean loss over its ``n_tokens[i]`` tokens.
    """
    total = sum(n_tokens)
    parts = [n / total * gradient for gradient, n in zip(gradients, n_tokens, strict=True)]
    return torch.stack(parts).sum(0)
