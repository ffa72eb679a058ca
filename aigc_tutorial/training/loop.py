"""The loop around a training step, the same for every model."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from tqdm.auto import tqdm

from aigc_tutorial.training.checkpoint import load_checkpoint, save_checkpoint
from aigc_tutorial.training.history import History
from aigc_tutorial.training.tracking import Tracker


@runtime_checkable
class TrainingTask(Protocol):
    """What is trained: a GAN or an autoregressive model with its optimizers."""

    def step(self, batch: Tensor, progress: float) -> Mapping[str, Tensor]:
        """Learn from one batch; return scalars to record.

        Args:
            batch: of real data, on the task's device.
            progress: share of the budget spent so far, for schedules.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


@runtime_checkable
class Batches(Protocol):
    """An endless, resumable stream of batches."""

    def __iter__(self) -> Iterator[Tensor]: ...

    def __next__(self) -> Tensor: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class RunResult:
    """What :func:`run` leaves behind.

    Attributes:
        history: what was recorded, with the column ``n_seen``.
        n_seen: images or tokens seen, over all resumed parts.
        seconds: time spent in this part, wall clock, without the snapshots.
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
    count: Callable[[Tensor], int] = len,
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
        unit: what is counted, for the progress bar.
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
    history, n_seen = History(), 0
    if checkpoint_folder is not None and Path(checkpoint_folder).is_dir():
        state = load_checkpoint(checkpoint_folder)
        if state["budget"] != budget:
            raise ValueError(
                f"{checkpoint_folder} belongs to a run over {state['budget']} {unit}, not {budget}; "
                "the schedule depends on it: give the same number or another folder"
            )
        task.load_state_dict(state["task"])
        batches.load_state_dict(state["batches"])
        history.load_state_dict(state["history"])
        n_seen = state["n_seen"]

    def save() -> None:
        if checkpoint_folder is not None:
            parts = {"task": task, "batches": batches, "history": history}
            state = {name: part.state_dict() for name, part in parts.items()}
            save_checkpoint(checkpoint_folder, {**state, "n_seen": n_seen, "budget": budget})

    pending = sorted((when, what) for when, what in (at or {}).items() if when >= n_seen)
    pending = [item for item in pending if not (item[0] == n_seen and n_seen > 0)]
    with tqdm(total=budget, initial=n_seen, unit=unit, unit_scale=True, leave=False,
              disable=not progress_bar) as bar:  # fmt: skip
        started, outside = time.perf_counter(), 0.0
        saved = n_seen
        while True:
            while pending and pending[0][0] <= n_seen:
                paused = time.perf_counter()
                pending.pop(0)[1](n_seen)
                outside += time.perf_counter() - paused
            if n_seen >= budget:
                break
            batch = next(batches)
            scalars = task.step(batch, n_seen / budget)
            before, n_seen = n_seen, n_seen + count(batch)
            bar.update(n_seen - before)
            if before // log_every != n_seen // log_every or n_seen >= budget:
                row = {name: float(value) for name, value in scalars.items()}
                history.append({"n_seen": n_seen, **row})
                if tracker is not None:
                    tracker.log(row, n_seen=n_seen)
            if checkpoint_every is not None and n_seen - saved >= checkpoint_every:
                save()
                saved = n_seen
        seconds = time.perf_counter() - started - outside
    if saved < n_seen:
        save()
    return RunResult(history, n_seen, seconds)
