"""Exercises of the page on the environment."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "05_1_environment"


def _machines(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for has_cuda in (True, False):
        for has_mps in (True, False):
            yield has_cuda, has_mps


@exercise(
    "choose-device",
    page=PAGE,
    level="warm-up",
    cases=_machines,
    hint="go from the fastest to the one that is always there.",
    remark="On your machine: torch.cuda.is_available() and torch.backends.mps.is_available().",
    mistakes=[
        Mistake(
            lambda has_cuda, has_mps: "cuda" if has_cuda else "cpu",
            "the graphics chip of an Apple machine (mps) is left unused.",
        ),
        Mistake(
            lambda has_cuda, has_mps: "mps" if has_mps else "cuda" if has_cuda else "cpu",
            "where both are there, CUDA is to be preferred.",
        ),
        Mistake(
            lambda has_cuda, has_mps: "cuda",
            "this fails on every machine without an NVIDIA card, which is how the document's code "
            "fails.",
        ),
    ],
)
def choose_device(has_cuda: bool, has_mps: bool) -> str:
    """Name the device to compute on: "cuda" before "mps" before "cpu"."""
    if has_cuda:
        return "cuda"
    return "mps" if has_mps else "cpu"


def _seed_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((3, 0), (3, 0), (5, 42))


def _samples_and_state(arguments: tuple[Any, ...], samples: Any) -> dict[str, Any]:
    return {
        "the sample": samples,
        "a number that somebody else draws afterwards": torch.randn(()),
    }


def _seed_everything(n: int, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(n)


@exercise(
    "own-randomness",
    page=PAGE,
    level="core",
    cases=_seed_cases,
    observe=_samples_and_state,
    hint="make a torch.Generator(), seed it with manual_seed, and hand it to torch.randn.",
    remark="Everything random in this book takes a generator for that reason.",
    mistakes=[
        Mistake(
            _seed_everything,
            "your numbers are right, but torch.manual_seed changed the randomness of the whole "
            "program: everybody who draws after you gets other numbers.",
        ),
        Mistake(
            lambda n, seed: torch.randn(n),
            "the seed is not used, so the same call gives other numbers the next time.",
        ),
    ],
)
def own_randomness(n: int, seed: int) -> Float[Tensor, " n"]:
    """Draw n standard normal numbers that depend on the seed alone.

    They are those of one call of torch.randn with a source of this seed. Calling this must not
    change what the rest of the program draws.
    """
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))


def _timing_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0.085, 1, 3.6, 256), (0.02, 10, 0.11, 100), (0.9, 128, 0.5, 64))


@exercise(
    "call-and-image-seconds",
    page=PAGE,
    level="core",
    cases=_timing_cases,
    hint="a call of B images takes t_call + B t_image seconds: two timings are two equations.",
    remark="With more than two timings, fit a line to them by least squares.",
    mistakes=[
        Mistake(
            lambda seconds_a, batch_a, seconds_b, batch_b: (
                seconds_a - seconds_b / batch_b,
                seconds_b / batch_b,
            ),
            "seconds / images still holds a share of the call. Take the difference of the two "
            "timings: what a call costs is in both and drops out.",
        ),
        Mistake(
            lambda seconds_a, batch_a, seconds_b, batch_b: (
                seconds_a - (seconds_b - seconds_a) / (batch_b - batch_a),
                (seconds_b - seconds_a) / (batch_b - batch_a),
            ),
            "the first call makes batch_a images, and not always one.",
        ),
    ],
)
def call_and_image_seconds(
    seconds_a: float, batch_a: int, seconds_b: float, batch_b: int
) -> tuple[float, float]:
    """What a call costs, and what an image costs, in seconds: return both.

    A call that makes ``batch_a`` images took ``seconds_a``, one that makes ``batch_b``, a
    different number, took ``seconds_b``.
    """
    seconds_image = (seconds_b - seconds_a) / (batch_b - batch_a)
    return seconds_a - batch_a * seconds_image, seconds_image


def _row_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((0, 3, 4, 0), (2, 1, 4, 0), (5, 20, 64, 7))


def _one_generator(first: int, n: int, dim: int, seed: int) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def _cut_from_the_start(first: int, n: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(first + n, dim, generator=generator)[first:]


def _seeded_by_place(first: int, n: int, dim: int, seed: int) -> Tensor:
    rows = [torch.randn(dim, generator=torch.Generator().manual_seed(seed + i)) for i in range(n)]
    return torch.stack(rows)


@exercise(
    "rows-by-number",
    page=PAGE,
    level="research",
    cases=_row_cases,
    hint="one new generator for each row, seeded with seed + i, draws dim numbers.",
    remark="Now a job may be cut into portions, or shared by machines, and every row stays what it "
    "was. A weakness is left: seed 1 gives the rows of seed 0, moved by one. How would you mix "
    "seed and number instead?",
    mistakes=[
        Mistake(
            _one_generator,
            "with one generator the numbers of a row depend on how many rows are asked for, and "
            "the first row asked for is always the same one.",
        ),
        Mistake(
            _cut_from_the_start,
            "row i changes with the number of rows drawn in one call, as the table on the page "
            "shows; and for row 1,000,000 you would draw a million others.",
        ),
        Mistake(
            _seeded_by_place,
            "the seed must hold the number of the row, not its place in this portion.",
        ),
    ],
)
def rows_by_number(first: int, n: int, dim: int, seed: int) -> Float[Tensor, "n dim"]:
    """Normal numbers (n, dim): the rows number first, first + 1, ..., first + n - 1.

    Row i has a generator of its own, whose seed is ``seed + i``. So it is the same row, whatever
    other rows are asked for in the same call.
    """
    generators = [torch.Generator().manual_seed(seed + i) for i in range(first, first + n)]
    return torch.stack([torch.randn(dim, generator=generator) for generator in generators])
