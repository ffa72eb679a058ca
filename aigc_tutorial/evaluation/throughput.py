"""How many samples a second, several candidates side by side."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from aigc_tutorial.integers import as_count
from aigc_tutorial.pages.display import format_number


@dataclass(frozen=True)
class Throughput:
    """Samples per second of one candidate.

    Attributes:
        median: Median over the rounds.
        slowest: Slowest round.
        fastest: Fastest round.
    """

    median: float
    slowest: float
    fastest: float

    def __str__(self) -> str:
        """Median and range."""
        median, slowest, fastest = map(format_number, (self.median, self.slowest, self.fastest))
        return f"{median} samples/s ({slowest} to {fastest})"


def samples_per_second(
    candidates: Mapping[str, Callable[[], object]], n_samples: int, *, n_rounds: int = 5
) -> dict[str, Throughput]:
    """Time candidates in turn, so that a slow minute of the machine hits all of them.

    Each candidate runs once before the clock starts. On a GPU the clock waits for its work.

    Args:
        candidates: What to time, by name. One call makes ``n_samples`` samples, or trains on them.
        n_samples: Samples that one call handles.
        n_rounds: How often each candidate is timed.

    Returns:
        Samples per second of each candidate, in the given order.

    Raises:
        ValueError: If there is no candidate, or fewer than three rounds (a median needs them), or
            a candidate returns an iterator, whose work has not been done when the clock stops.
    """
    if not candidates:
        raise ValueError("There is nothing to time: candidates is empty.")
    n_samples = as_count(n_samples, "n_samples")
    n_rounds = as_count(n_rounds, "n_rounds", at_least=3)
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for name, run in candidates.items():
        if isinstance(returned := run(), Iterator):
            raise ValueError(
                f"The candidate {name!r} returns a {type(returned).__name__}, an iterator that has "
                "not done its work yet. Go through it in the call, for example by list(...)."
            )
    for _ in range(n_rounds):
        for name, run in candidates.items():
            _wait_for_device()
            start = time.perf_counter()
            run()
            _wait_for_device()
            rates[name].append(n_samples / (time.perf_counter() - start))
    return {
        name: Throughput(statistics.median(values), min(values), max(values))
        for name, values in rates.items()
    }


def _wait_for_device() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
