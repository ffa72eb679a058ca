"""Exercises of the page on the environment."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "05_1_environment"


def _machines(generator: torch.Generator) -> Iterator[tuple[Any, ...]]:
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


def _seed_cases(generator: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((3, 0), (3, 0), (5, 42))


def _samples_and_state(arguments: tuple[Any, ...], samples: Tensor) -> dict[str, Tensor]:
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

    Calling this must not change what the rest of the program draws.
    """
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))
