"""What a search has found, and what became of its trials."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from aigc_tutorial.adaptation.study import quiet
from aigc_tutorial.environment import require

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class SearchTrial:
    """One set of settings, and what came of it.

    Attributes:
        order: its place in the search, from 0.
        settings: values by name.
        state: "complete"; "pruned", ended early; "failed", diverged; or "running", in another
            worker.
        value: what the objective returned, or of a pruned trial what it reported last; None of
            others.
        n_seen: data that it saw, as reported.
        seconds: wall-clock time.
        failure: what happened to a failed one.
    """

    order: int
    settings: dict[str, Any]
    state: Literal["complete", "pruned", "failed", "running"]
    value: float | None
    n_seen: int
    seconds: float
    failure: str | None = None


@dataclass(frozen=True)
class SearchResult(Generic[ConfigT]):
    """What a search has found; printed, it says what became of all trials.

    Attributes:
        config: the best configuration.
        settings: what is particular to it.
        value: its validation loss.
        trials: all of them, in order.
        study: Optuna's own, for its further tools.
    """

    config: ConfigT
    settings: dict[str, Any]
    value: float
    trials: tuple[SearchTrial, ...]
    study: Any = field(repr=False)

    @property
    def failed(self) -> tuple[SearchTrial, ...]:
        """The trials that diverged."""
        return tuple(trial for trial in self.trials if trial.state == "failed")

    @property
    def n_seen(self) -> int:
        """Data that all trials saw together, as they reported."""
        return sum(trial.n_seen for trial in self.trials)

    def best_so_far(self) -> Iterator[tuple[int, float]]:
        """For each trial that was completed: data seen until then by all, and the best value."""
        n_seen, best = 0, math.inf
        for trial in self.trials:
            n_seen += trial.n_seen
            if trial.state == "complete" and trial.value is not None:
                best = min(best, trial.value)
                yield n_seen, best

    def importances(self) -> dict[str, float]:
        """How much each setting matters among the complete trials: shares, the largest first.

        By PED-ANOVA (Watanabe et al., 2023, arXiv 2304.10255): how far the settings of the best
        trials are from those of all. ``viz.importance_bars`` draws them. From few trials they
        are a hint, no more.

        Raises:
            ValueError: if fewer than four trials are complete, or all are equally good: of such
                nothing can be said.
        """
        values = [trial.value for trial in self.trials if trial.state == "complete"]
        if len(values) < 4:
            raise ValueError(f"importances need four complete trials or more, got {len(values)}")
        if len(set(values)) == 1:
            raise ValueError(
                f"all {len(values)} complete trials reached {self.value:.4g}: no setting decided "
                "anything; is the budget of a trial too small?"
            )
        optuna = require("optuna", extra="search")
        with quiet():
            shares = optuna.importance.get_param_importances(self.study)
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        """What became of the trials, and the best of them."""
        counts = Counter(trial.state for trial in self.trials)
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        lines = [f"{len(self.trials)} trials ({told}); the best reached {self.value:.4g} with"]
        lines += [f"  {name} = {_written(value)}" for name, value in self.settings.items()]
        for trial in self.failed:
            settings = ", ".join(f"{n} = {_written(v)}" for n, v in trial.settings.items())
            lines.append(f"trial {trial.order} failed ({settings}): {trial.failure}")
        return "\n".join(lines)


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
