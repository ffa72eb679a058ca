"""A worker of a search, for tests that run several or kill one.

    python -m tests.adaptation.search_worker STORAGE SAMPLER N_TRIALS [ORDER]

With an order it stops in that trial, says so on its standard output, and waits to be killed.
"""

import sys
import time
from dataclasses import dataclass

from aigc_tutorial import adaptation
from aigc_tutorial.config import Config


@dataclass(frozen=True)
class Inner(Config):
    """What is searched."""

    rate: float = 0.1
    size: int = 4
    kind: str = "a"


@dataclass(frozen=True)
class Outer(Config):
    """Holds it."""

    inner: Inner = Inner()
    rest: int = 7


SPACE = {
    "inner.rate": adaptation.LogUniform(1e-4, 1.0),
    "inner.size": adaptation.Integers(1, 9),
    "inner.kind": adaptation.Choice(("a", "b")),
}
stops_at: set[int] = set()  # no data, by which one search is told from another
tried: list[Outer] = []


def objective(config: Outer, report: adaptation.Report) -> float:
    """Best at a rate of 0.01, size 3 and kind b."""
    tried.append(config)
    if len(tried) - 1 in stops_at:
        print("stopped", flush=True)
        time.sleep(600)
    time.sleep(0.1)
    inner = config.inner
    value = abs(inner.rate - 0.01) + abs(inner.size - 3) + (inner.kind == "a")
    report(value, 10)
    return value


def run(storage: str | None, sampler: str, n_trials: int) -> adaptation.SearchResult[Outer]:
    """The search that all workers share."""
    return adaptation.search(
        objective,
        Outer(),
        SPACE,
        n_trials=n_trials,
        sampler=sampler,  # type: ignore[arg-type]
        n_startup_trials=4,
        storage=storage,
        progress_bar=False,
    )


if __name__ == "__main__":
    stops_at.update(map(int, sys.argv[4:]))
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
