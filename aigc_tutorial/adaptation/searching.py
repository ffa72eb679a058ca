"""Automatic search for settings: Optuna's samplers and pruners over a configuration.

A search chooses by the number that the objective returns, so that number must come from validation
data: what was chosen by it is better on it than on any other data, and only test data, looked at
once at the end, say by how much.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from tqdm.auto import tqdm

from aigc_tutorial.adaptation.results import SearchResult, SearchTrial
from aigc_tutorial.adaptation.space import Space, check_space, with_settings
from aigc_tutorial.adaptation.study import (
    FAILURE,
    N_SEEN,
    SharedStudy,
    identity_of_function,
    quiet,
    seed_of,
    storage_told,
)
from aigc_tutorial.config import Config
from aigc_tutorial.environment import require
from aigc_tutorial.integers import as_count
from aigc_tutorial.training.checkpoint import written

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class MedianPruning(Config):
    """End a trial whose best report so far is worse than the median of the others' at its place.

    Attributes:
        n_startup_trials: so many trials are never ended.
        n_warmup: nor is any before it has seen so much data.
    """

    n_startup_trials: int = 5
    n_warmup: int = 0

    def __post_init__(self) -> None:
        """Check both settings."""
        super().__post_init__()
        self.require("n_startup_trials", at_least=1)
        self.require("n_warmup", at_least=0)


@dataclass(frozen=True)
class HyperbandPruning(Config):
    """Hyperband (Li et al., 2018, arXiv 1603.06560): brackets of trials that are halved at times.

    Attributes:
        least: data that a trial sees before it may be ended.
        most: data that a trial sees at most.
        factor: of a bracket's trials one in so many goes on each time.
    """

    least: int
    most: int
    factor: int = 3

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("least", at_least=1)
        self.require("most", above=self.least)
        self.require("factor", at_least=2)


Pruning = MedianPruning | HyperbandPruning


class Report:
    """Tells a search how a trial is doing; ends the trial where it has no prospects.

    Attributes:
        n_seen: data that the trial has seen, as last reported.
    """

    def __init__(self, trial: Any) -> None:
        self._trial, self.n_seen = trial, 0

    def __call__(self, value: float, n_seen: int) -> None:
        """Report the validation loss on the way.

        Args:
            value: lower is better.
            n_seen: tokens, images or examples that the trial has seen, more each time. A pruner
                compares trials at the same number, so report at the same ones in each.

        Raises:
            FloatingPointError: if the value is not finite.
            optuna.TrialPruned: if the trial is to end here; let it pass.
        """
        self.n_seen = as_count(n_seen, "n_seen", at_least=self.n_seen + 1)
        self._trial.set_user_attr(N_SEEN, self.n_seen)
        self._trial.report(_finite(value, f"after {self.n_seen:,}"), self.n_seen)
        if self._trial.should_prune():
            raise require("optuna", extra="search").TrialPruned


def search(
    objective: Callable[[ConfigT, Report], float],
    config: ConfigT,
    space: Space,
    *,
    n_trials: int | None = None,
    budget: int | None = None,
    sampler: Literal["tpe", "random"] = "tpe",
    n_startup_trials: int = 10,
    pruning: Pruning | None = None,
    storage: str | Path | None = None,
    seed: int = 0,
    progress_bar: bool = True,
) -> SearchResult[ConfigT]:
    """Try settings and return the best: the smallest value that the objective returned.

    >>> from aigc_tutorial import adaptation
    >>> def objective(config, report):
    ...     return (config.learning_rate_head - 0.02) ** 2  # in earnest a validation loss
    >>> space = {"learning_rate_head": adaptation.LogUniform(1e-4, 1.0)}
    >>> start = adaptation.FineTuningConfig()
    >>> found = adaptation.search(objective, start, space, n_trials=20, progress_bar=False)
    >>> 0.005 < found.config.learning_rate_head < 0.08
    True

    With a storage the search may be stopped, or killed, at any moment: called again, it goes on,
    and the trial that was under way is tried anew. Several processes that call it with the same
    arguments share its trials.

    Args:
        objective: trains with a configuration and returns its loss on validation data, never on
            test data. It may report on the way.
        config: a dataclass, in which the settings are replaced; the others stay.
        space: names of settings and their ranges; for a setting within another configuration, with
            a dot between.
        n_trials: how many trials to make in all, by all workers, earlier runs included.
        budget: data to see in all, as the trials report; the last trial may pass it. One of the two
            is needed.
        sampler: "tpe" draws where good trials were (Bergstra et al., 2011); "random" anywhere,
            which is as good where there are few trials or many settings do not matter.
        n_startup_trials: how many random trials TPE learns from first.
        pruning: ends trials early that do worse than others; None ends none.
        storage: file of an SQLite database that keeps the trials; None for memory alone.
        seed: of the settings that are drawn. That of the training is the objective's.
        progress_bar: show one.

    Raises:
        ValueError: if space or configuration do not fit, a number is out of its range, or the
            storage holds another search, or is damaged.
        OSError: if the storage cannot be read or written.
        RuntimeError: if no trial was completed; it tells what happened to them.
        Exception: whatever else the objective raises, with the trial's settings added to it. Only a
            FloatingPointError is an answer and no fault: such a trial has failed, and counts. So
            has one whose settings, each possible, are refused beside each other.
    """
    check_space(config, space)
    if n_trials is None and budget is None:
        raise ValueError("give n_trials, how many to make, or budget, how much data to see in all")
    n_trials = None if n_trials is None else as_count(n_trials, "n_trials")
    budget = None if budget is None else as_count(budget, "budget")
    seed = as_count(seed, "seed", at_least=0)
    n_startup_trials = as_count(n_startup_trials, "n_startup_trials")
    if sampler not in ("tpe", "random"):
        raise ValueError(f'sampler must be "tpe" or "random", got {sampler!r}')
    if pruning is not None and not isinstance(pruning, MedianPruning | HyperbandPruning):
        raise TypeError(
            f"pruning must be a MedianPruning, a HyperbandPruning or None, got {pruning!r}"
        )
    identity = {
        "objective": identity_of_function(objective),
        "configuration": written(config, identity_of_function),
        "space": repr(dict(space)),
        "sampler": f"{sampler} after {n_startup_trials}" if sampler == "tpe" else sampler,
        "pruning": repr(pruning),
        "seed": seed,
    }
    samplers = require("optuna", extra="search").samplers

    def sampler_of(order: int) -> Any:
        if sampler == "random":
            return samplers.RandomSampler(seed=seed_of(seed, order))
        return samplers.TPESampler(seed=seed_of(seed, order), n_startup_trials=n_startup_trials)

    with (
        quiet(),
        storage_told(storage),
        tqdm(total=n_trials, unit="trials", leave=False, disable=not progress_bar) as bar,
    ):
        shared = SharedStudy(storage, identity)
        shared.study.pruner = _pruner(pruning)
        try:
            while (trial := shared.claim(space, sampler_of, n_trials, budget)) is not None:
                _try(shared.study, trial, objective, config, is_counted=budget is not None)
                bar.update()
            return _result(shared, config)
        finally:
            shared.close()


def _try(study: Any, trial: Any, objective: Any, config: Any, *, is_counted: bool) -> None:
    """Run one trial and say what came of it.

    Args:
        study: Optuna's.
        trial: one of it.
        objective: the reader's.
        config: what the trial's settings are put into.
        is_counted: whether the search ends by the data that trials see.
    """
    optuna = require("optuna", extra="search")
    states = optuna.trial.TrialState
    report = Report(trial)
    try:
        configured = with_settings(config, trial.params)
    except ValueError as error:  # values that are possible, but not beside each other
        trial.set_user_attr(FAILURE, str(error))
        study.tell(trial, state=states.FAIL)
        return
    try:
        value = objective(configured, report)
        if is_counted and not report.n_seen:
            raise ValueError(
                "the objective reported no data, and so the budget is never spent; call "
                "report(loss, n_seen) in it, or give n_trials alone"
            )
        study.tell(trial, _finite(value, "at the end"))
    except optuna.TrialPruned:
        study.tell(trial, state=states.PRUNED)
    except FloatingPointError as error:
        trial.set_user_attr(FAILURE, str(error))
        study.tell(trial, state=states.FAIL)
    except BaseException as error:
        # Not counted: continued, the search tries it again.
        study.tell(trial, state=states.FAIL)
        error.add_note(f"in the trial of {trial.params}")
        raise


def _result(shared: SharedStudy, config: ConfigT) -> SearchResult[ConfigT]:
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    trials = {
        order: SearchTrial(
            order=order,
            settings=dict(trial.params),
            state=words.get(trial.state.name, "running"),  # type: ignore[arg-type]
            value=trial.value,
            n_seen=trial.user_attrs.get(N_SEEN, 0),
            seconds=0.0 if trial.duration is None else trial.duration.total_seconds(),
            failure=trial.user_attrs.get(FAILURE),
        )
        for order, trial in sorted(shared.counted().items())
    }
    values = {o: t.value for o, t in trials.items() if t.state == "complete"}
    if not values:
        told = "; ".join(f"{t.settings}: {t.failure or t.state}" for t in list(trials.values())[:3])
        raise RuntimeError(
            f"none of {len(trials)} trials was completed ({told}); look at the space and the "
            "objective"
        )
    value, order = min((value, order) for order, value in values.items() if value is not None)
    settings = trials[order].settings
    return SearchResult(
        config=with_settings(config, settings),
        settings=settings,
        value=value,
        trials=tuple(trials.values()),
        study=shared.study,
    )


def _pruner(pruning: Pruning | None) -> Any:
    pruners = require("optuna", extra="search").pruners
    if pruning is None:
        return pruners.NopPruner()
    if isinstance(pruning, MedianPruning):
        return pruners.MedianPruner(pruning.n_startup_trials, pruning.n_warmup)
    return pruners.HyperbandPruner(pruning.least, pruning.most, pruning.factor)


def _finite(value: Any, when: str) -> float:
    """A loss as a number.

    Raises:
        TypeError: if it is none.
        FloatingPointError: if it is not finite.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"the objective must return and report its loss, a number, got {value!r:.200} {when}"
        ) from error
    if not math.isfinite(number):
        raise FloatingPointError(f"the loss is {number} {when}")
    return number
