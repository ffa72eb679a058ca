"""How many samples a second, several candidates side by side."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from aigc_tutorial.integers import as_count


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
        return f"{self.median:,.0f} samples/s ({self.slowest:,.0f} to {self.fastest:,.0f})"


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
        ValueError: If there is no candidate, or fewer than three rounds (a median needs them).
    """
    if not candidates:
        raise ValueError("There is nothing to time: candidates is empty.")
    n_samples = as_count(n_samples, "n_samples")
    n_rounds = as_count(n_rounds, "n_rounds", at_least=3)
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
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
