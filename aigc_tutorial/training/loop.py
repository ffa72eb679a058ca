"""The loop around a training step, the same for every model."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from torch import Tensor
from tqdm.auto import tqdm

from aigc_tutorial.training.checkpoint import load_checkpoint, save_checkpoint
from aigc_tutorial.training.history import History
from aigc_tutorial.training.tracking import Tracker

Batch: TypeAlias = Tensor | tuple[Tensor, ...]
"""One tensor, or several that belong together: images and labels, tokens and their mask."""


@runtime_checkable
class TrainingTask(Protocol):
    """What is trained: a GAN or an autoregressive model with its optimizers."""

    def step(self, batch: Any, progress: float) -> Mapping[str, Tensor]:
        """Learn from one batch; return scalars to record.

        Args:
            batch: of real data, on the task's device; a :data:`Batch` of the kind it learns from.
            progress: share of the budget spent so far, for schedules.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


@runtime_checkable
class Batches(Protocol):
    """An endless, resumable stream of batches."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the coming batches depend on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


@dataclass(frozen=True)
class RunResult:
    """What :func:`run` leaves behind.

    Attributes:
        history: what was recorded, with the column ``n_images`` or ``n_tokens``.
        n_seen: images or tokens seen, over all resumed parts.
        seconds: wall-clock time of all steps, those of resumed parts included, without callbacks
            and checkpoints.
    """

    history: History
    n_seen: int
    seconds: float


def run(
    task: TrainingTask,
    batches: Batches,
    *,
    budget: int,
    unit: str = "images",
    count: Callable[[Any], int] = len,
    log_every: int | None = None,
    tracker: Tracker | None = None,
    at: Mapping[int, Callable[[int], None]] | None = None,
    checkpoint_folder: str | Path | None = None,
    checkpoint_every: int | None = None,
    progress_bar: bool = True,
) -> RunResult:
    """Take steps until ``budget`` images or tokens have been seen.

    If ``checkpoint_folder`` holds a checkpoint, the run continues from it and ends, on a CPU, with
    the same bits as one that was never interrupted.

    Args:
        task: takes the steps.
        batches: yields batches on the task's device.
        budget: how many images or tokens to see in all; the last batch may pass it.
        unit: what is counted; names the first column, ``n_images`` or ``n_tokens``.
        count: how many of them a batch holds.
        log_every: record a row each time so many have been seen; by default a hundredth of the
            budget.
        tracker: receives every recorded row too.
        at: functions to call once so many have been seen, with the exact number.
        checkpoint_folder: where to save and to resume from.
        checkpoint_every: how often to save; by default at the end alone.
        progress_bar: show one.
    """
    if budget < 1:
        raise ValueError(f"budget must be at least one of the {unit}, got {budget}")
    log_every = log_every or max(1, budget // 100)
    history, n_seen, seconds = History(), 0, 0.0
    parts = {"task": task, "batches": batches, "history": history}
    if checkpoint_folder is not None and Path(checkpoint_folder).is_dir():
        n_seen, seconds = _restore(checkpoint_folder, parts, budget, unit)
        if tracker is not None:
            tracker.rewind(n_seen)
    n_saved = n_seen
    due = sorted(when for when in at or {} if when > n_seen or n_seen == 0)
    with tqdm(
        total=budget, initial=n_seen, unit=unit, leave=False, disable=not progress_bar
    ) as bar:
        while True:
            while at and due and due[0] <= n_seen:
                at[due.pop(0)](n_seen)
            wants_saving = n_seen >= budget or n_seen - n_saved >= (checkpoint_every or budget)
            if checkpoint_folder is not None and wants_saving and n_seen > n_saved:
                _save(checkpoint_folder, parts, n_seen=n_seen, seconds=seconds, budget=budget)
                n_saved = n_seen
            if n_seen >= budget:
                break
            started = time.perf_counter()
            batch = next(batches)
            scalars = task.step(batch, n_seen / budget)
            before, n_seen = n_seen, n_seen + count(batch)
            if before // log_every != n_seen // log_every or n_seen >= budget:
                row = {name: float(value) for name, value in scalars.items()}
                history.append({f"n_{unit}": n_seen, **row})
                if tracker is not None:
                    tracker.log({f"n_{unit}": n_seen, **row}, n_seen=n_seen)
            seconds += time.perf_counter() - started
            bar.update(n_seen - before)
    return RunResult(history, n_seen, seconds)


def _save(folder: str | Path, parts: Mapping[str, Any], **numbers: float) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    save_checkpoint(folder, state | numbers)


def _restore(
    folder: str | Path, parts: Mapping[str, Any], budget: int, unit: str
) -> tuple[int, float]:
    """Load all parts from the checkpoint; return how much data and time it had seen."""
    state = load_checkpoint(folder)
    if state["budget"] != budget:
        raise ValueError(
            f"{folder} belongs to a run over {state['budget']} {unit}, not {budget}; the schedule "
            "depends on it: ask for the same number or give another folder"
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["n_seen"], state["seconds"]
