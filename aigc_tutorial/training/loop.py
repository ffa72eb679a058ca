"""The loop around a training step, the same for every model."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor
from tqdm.auto import tqdm

from aigc_tutorial import __version__
from aigc_tutorial.config import as_function
from aigc_tutorial.files import expand
from aigc_tutorial.integers import as_count
from aigc_tutorial.training.attributes import ModelNumbers
from aigc_tutorial.training.checkpoint import (
    EncodedState,
    check_settings,
    checkpoint_folder_in_use,
    checkpoint_path,
    decode_state,
    encode_state,
    first_non_finite,
    load_checkpoint,
    save_checkpoint,
    settings_of_first_step,
)
from aigc_tutorial.training.engine import DefaultRandomness, Engine, as_engine
from aigc_tutorial.training.history import History
from aigc_tutorial.training.interruption import TrainingInterrupted, stop_requests
from aigc_tutorial.training.tracking import Tracker, as_tracker

Batch: TypeAlias = Tensor | tuple[Tensor, ...]
"""One tensor, or several that belong together: images and labels, tokens and their mask."""


_MOST_EMPTY = 1_000
"""So many batches without anything to count, one after the other, are no accident."""

_AT_THE_START = (0, -1, 0.0)  # no data, no function called, not even that at 0, and no time


@runtime_checkable
class TrainingTask(Protocol):
    """What is trained: a GAN or an autoregressive model with its optimizers."""

    def step(self, batch: Any, progress: float) -> Mapping[str, Tensor | float]:
        """Learn from one batch; return scalars to record, in the same columns every time.

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
    """An endless, resumable stream of batches.

    Training with a checkpoint folder also asks for ``identity()``, a dictionary of what tells these
    batches from others: their seed, a hash of the data.
    """

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
    count: Callable[[Any], int] | None = None,
    log_every: int | None = None,
    tracker: Tracker | None = None,
    at: Mapping[int, Callable[[int], None]] | None = None,
    checkpoint_folder: str | Path | None = None,
    checkpoint_every: int | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress_bar: bool = True,
    engine: Engine | None = None,
) -> RunResult:
    """Take steps until ``budget`` images or tokens have been seen.

    If ``checkpoint_folder`` holds a checkpoint, the run continues from it and ends, on a CPU, with
    the same bits as one that was never interrupted. A loss or a weight that is not finite ends the
    run, and never reaches a checkpoint.

    Numbers that models among the task's attributes keep as attributes of their own, such as a
    strength of noise that fades, go on too; tensors do if the task's state has them.

    Among several processes each takes its own batches; the main one alone writes, and a checkpoint
    holds what each of them needs to go on.

    With a checkpoint folder, Ctrl-C (the interrupt button of a notebook) ends the step and saves
    before the run stops; among several processes it is enough that one of them hears it. A second
    one, more than a second later, stops at once, with the last checkpoint whole.

    Args:
        task: takes the steps.
        batches: yields batches on the task's device; without a checkpoint folder any iterator that
            does not end will do.
        budget: how many images or tokens to see in all; the last batch may pass it.
        unit: what is counted; names the first column, ``n_images`` or ``n_tokens``.
        count: how many of them a batch holds, over all processes, a whole number; by default its
            rows in each process, of a tuple those of its first tensor.
        log_every: record a row each time so many have been seen; by default a hundredth of the
            budget.
        tracker: receives every recorded row too.
        at: functions to call once so many have been seen, 0 to the budget, with the exact number.
            One that several numbers name is called once where a step passes them all.
            What they draw from torch's own generators follows from ``seed`` and changes nothing of
            the training. At the end the training is saved before they are called, and again after
            it: an error in one of them costs no training, and is called again by a resumed run.
        checkpoint_folder: where to save and to resume from, in the one file
            ``checkpoint.safetensors``; what else lies there is left alone.
        checkpoint_every: how often to save; by default at the end alone.
        settings: by name what makes this run another than its neighbours, such as the
            configuration. A checkpoint of a run with other settings is refused, and so is one with
            another seed, other batches or another budget, on which the schedules of its steps
            depended, or one whose first step did something else.
        seed: of what the task draws without a generator of its own: dropout, ``torch.randn`` in a
            forward pass. Torch's own generators are as they were after the run.
        progress_bar: show one.
        engine: of the task; by default that of a single process.

    Raises:
        ValueError: if a number of ``unit`` is not a whole one of at least 1, if one of ``at`` is
            beyond the budget, if the batches end, hold nothing or have no state to go on from, if
            ``count`` returns no whole number, or if the checkpoint is damaged or belongs to a run
            with other settings.
        TypeError: if the batches are no iterator, a batch cannot be counted, a step returns
            anything but numbers, the tracker is none, or one of ``at`` no function.
        FloatingPointError: if a recorded number or a weight is not finite.
        OSError: if the folder cannot be written.
        RuntimeError: if another run uses the folder.
        TrainingInterrupted: a KeyboardInterrupt, if the user stopped the run.
    """
    budget = as_count(budget, "budget")
    log_every = max(1, budget // 100) if log_every is None else as_count(log_every, "log_every")
    if checkpoint_every is None:
        checkpoint_every = budget
    checkpoint_every = as_count(checkpoint_every, "checkpoint_every")
    at, seed = dict(at or {}), as_count(seed, "seed", at_least=0)
    if at and not 0 <= min(at) <= max(at) <= budget:
        raise ValueError(
            f"at names {min(at):,} to {max(at):,} {unit}; expected 0 to {budget:,}, the budget"
        )
    for when, function in at.items():
        as_function(function, f"at[{when}]", "takes the number seen")
    if count is not None:
        as_function(count, "count", "takes a batch and returns how many it holds")
    if not isinstance(task, TrainingTask) or isinstance(task, type):
        raise TypeError(
            f"the task must have step, state_dict and load_state_dict, got {task!r:.200}; a model "
            "is trained by the train function beside it"
        )
    if not callable(getattr(batches, "__next__", None)):
        raise TypeError(
            f"the batches must be an iterator without end, and a {type(batches).__name__} is gone "
            "through from its beginning each time; take the batches of aigc_tutorial.data, or a "
            "generator function that goes through it again and again"
        )
    settings = {"seed": seed, **(settings or {}), f"budget ({unit})": budget}
    if checkpoint_folder is not None:
        settings |= _identity(batches)
    if tracker is not None:
        as_tracker(tracker)
    engine = as_engine(engine, device="cpu")
    engine.begin()
    tracker = tracker if engine.is_main else None
    history, watch = History(), _Watch(unit)
    randomness, own_seed = DefaultRandomness(engine.device), seed + 1_000_003 * engine.rank
    checkpoints = _Checkpoints(
        checkpoint_folder,
        {
            "task": task,
            "batches": batches,
            "history": history,
            "engine": engine,
            "default randomness": randomness,
            "numbers of models": ModelNumbers(task),
        },
        settings={**settings, "package version": __version__},
        engine=engine,
    )
    with (
        checkpoints.in_use(),
        randomness.seeded(own_seed),
        stop_requests(is_heard=checkpoint_folder is not None) as stop,
    ):
        n_seen, n_called, seconds = checkpoints.restore()
        if tracker is not None:
            tracker.rewind(n_seen, list(history.rows()))
        checkpoints.check(f"after {n_seen:,} {unit}")
        n_saved, n_empty = n_seen, 0
        due = sorted(when for when in at if when > n_called)

        def save() -> None:
            watch.check()
            if n_seen >= budget:
                engine.check_steps()
            checkpoints.check(f"after {n_seen:,} {unit}")
            checkpoints.save(n_seen, n_called, seconds)

        with tqdm(
            total=budget, initial=n_seen, unit=unit, leave=False, disable=not progress_bar
        ) as bar:
            while True:
                is_at_end = n_seen >= budget
                is_last_call = is_at_end and bool(due)
                if is_last_call and n_seen > n_saved:
                    save()
                now = [at[when] for when in due if when <= n_seen]
                due = due[len(now) :]
                for i, function in enumerate(now):
                    if function not in now[:i]:  # a second measure would be the first again
                        with randomness.seeded(own_seed):
                            function(n_seen)
                n_called, is_stopped = n_seen, engine.total(int(stop.is_made)) > 0
                n_unsaved = n_seen - n_saved
                is_due = is_at_end or is_stopped or n_unsaved >= checkpoint_every
                if is_last_call or (n_unsaved and is_due):
                    save()
                    n_saved = n_seen
                if is_at_end:
                    break
                if is_stopped:
                    where = f"the checkpoint in {checkpoint_folder} is of this moment"
                    raise TrainingInterrupted(
                        f"stopped after {n_seen:,} of {budget:,} {unit}; "
                        f"{where if n_seen else 'there was nothing to save'}, and the same run "
                        f"{'goes on from it' if n_seen else 'begins anew'}"
                    )
                started = time.perf_counter()
                if (batch := next(batches, None)) is None:
                    raise ValueError(
                        f"the batches ended after {n_seen:,} of {budget:,} {unit}; they must go on "
                        "for ever, as those of aigc_tutorial.data do, or the budget be smaller"
                    )
                scalars = _as_scalars(task.step(batch, n_seen / budget), but=f"n_{unit}")
                n_new = _n_counted(count(batch)) if count else _n_rows(batch) * engine.n_processes
                n_empty = 0 if n_new else n_empty + 1
                if n_empty > _MOST_EMPTY:
                    raise ValueError(
                        f"{n_empty} batches one after the other held no {unit}, and so the budget "
                        f"of {budget:,} is never spent; look at the batches, or at what count "
                        "returns"
                    )
                before, n_seen = n_seen, n_seen + n_new
                watch.see(scalars, n_seen)
                if before // log_every != n_seen // log_every or n_seen >= budget:
                    watch.check()
                    row = {f"n_{unit}": n_seen, **engine.mean(scalars)}
                    history.append(row)
                    if tracker is not None:
                        tracker.log(row, n_seen=n_seen)
                seconds += time.perf_counter() - started
                bar.update(n_seen - before)
    return RunResult(history, n_seen, seconds)


class _Checkpoints:
    """The one file that a run continues from, for all its processes; nothing without a folder."""

    def __init__(
        self, folder: str | Path | None, parts: Mapping[str, Any], settings: Any, engine: Engine
    ) -> None:
        # In full: a function that is called in between may change the working folder.
        self.folder = None if folder is None else expand(folder).absolute()
        self.parts, self.settings, self.engine = parts, settings, engine

    def in_use(self) -> AbstractContextManager[None]:
        """Context in which the folder is this run's."""
        if self.folder is None or not self.engine.is_main:
            return nullcontext()
        return checkpoint_folder_in_use(self.folder)

    def restore(self) -> tuple[int, int, float]:
        """Load all parts, if there is a checkpoint.

        Returns:
            How much data it had seen, up to where functions had been called, and how much time.
        """
        if self.folder is None:
            return _AT_THE_START
        self._try_first_step()
        path, engine = checkpoint_path(self.folder), self.engine
        exists = engine.is_main and path.exists()
        saved = engine.from_main(load_checkpoint(self.folder) if exists else None)
        if saved is None:
            return _AT_THE_START
        self._check_settings(saved["processes"], str(path))
        own = saved["processes"][engine.rank]
        for name, part in self.parts.items():
            if name in own:  # earlier versions did not save the numbers of models
                part.load_state_dict(own[name])
        n_called = saved.get("n_called", saved["n_seen"])  # not in those of earlier versions
        return saved["n_seen"], n_called, saved["seconds"]

    def _try_first_step(self) -> None:
        """Take a step and take it back: what it does tells this run from others.

        What cannot be saved fails here too, before the training and not after it.
        """
        start = self._encode()
        before, task = decode_state(start), self.parts["task"]
        if (batch := next(self.parts["batches"], None)) is not None:
            # With a learning rate as it is after the warm-up, so that something moves.
            scalars = _as_scalars(task.step(batch, 0.25))
            losses = {name: float(value) for name, value in scalars.items()}
            self.settings |= settings_of_first_step(losses, before["task"], task.state_dict())
        for name, part in self.parts.items():
            part.load_state_dict(before[name])

    def _check_settings(self, processes: list[dict[str, Any]], path: str) -> None:
        numbers = ({"number of processes": n} for n in (len(processes), self.engine.n_processes))
        check_settings(*numbers, what=path)
        check_settings(processes[self.engine.rank]["settings"], self.settings, what=path)

    def check(self, when: str) -> None:
        """Raise an error if a tensor of the task is not finite, or could not be saved."""
        state = self.parts["task"].state_dict()
        if (where := first_non_finite(state)) is not None:
            raise FloatingPointError(
                f"{when}, {where} holds numbers that are not finite, so the run stops; the "
                "last checkpoint, if there is one, is as it was. Lower the learning rates, and "
                "look for such numbers in the data"
            )

    def save(self, n_seen: int, n_called: int, seconds: float) -> None:
        """Write the states of all processes, each tensor that they have in common once."""
        if self.folder is None:
            return
        own = self._encode()
        known = self.engine.from_main(set(own.tensors))
        new = {name: tensor for name, tensor in own.tensors.items() if name not in known}
        if self.engine.is_main:
            new = own.tensors
        processes = self.engine.gather(EncodedState(own.tree, new))
        if self.engine.is_main:
            numbers = {"n_seen": n_seen, "n_called": n_called, "seconds": seconds}
            version = {"torch version": torch.__version__}
            save_checkpoint(self.folder, {**numbers, **version, "processes": processes})

    def _encode(self) -> EncodedState:
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        return encode_state(parts | {"settings": self.settings})


class _Watch:
    """Notices the first recorded number that is not finite.

    On a CPU every step is looked at; elsewhere that would wait for the device, so that steps are
    put by and looked at together.
    """

    _N_PUT_BY = 256

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.steps: list[tuple[int, Mapping[str, Tensor | float]]] = []

    def see(self, scalars: Mapping[str, Tensor | float], n_seen: int) -> None:
        """Take one step's numbers."""
        self.steps.append((n_seen, scalars))
        if _is_read_at_once(scalars) or len(self.steps) >= self._N_PUT_BY:
            self.check()

    def check(self) -> None:
        """Raise a FloatingPointError if one of the steps put by had a number that is not finite."""
        for n_seen, scalars in self.steps:
            for name, value in scalars.items():
                if not math.isfinite(value):
                    raise FloatingPointError(
                        f"after {n_seen:,} {self.unit}, {name} is {float(value)}, so the run "
                        "stops; the last checkpoint, if there is one, is as it was. Lower the "
                        "learning rates, and look for numbers that are not finite in the data"
                    )
        self.steps.clear()


def _as_scalars(values: Any, *, but: str | None = None) -> dict[str, Tensor | float]:
    """What a step returned, cut off from its graph, which would be kept with the numbers.

    Args:
        values: by name.
        but: a name that is taken: that of the column of what was seen.
    """
    if isinstance(values, Mapping):
        if but in values:
            raise ValueError(
                f"a task's step returned a number called {but}, as the column of the data seen is; "
                "give it another name"
            )
        numbers = {n: v.detach() if isinstance(v, Tensor) else v for n, v in values.items()}
        if all(
            v.numel() == 1 if isinstance(v, Tensor) else isinstance(v, Real)
            for v in numbers.values()
        ):
            return numbers
    raise TypeError(
        "a task's step must return a dictionary of single numbers to record, such as "
        f'{{"loss": loss}}, got {values!r}'
    )


def _is_read_at_once(scalars: Mapping[str, Tensor | float]) -> bool:
    """Whether reading the numbers waits for no device."""
    return all(not isinstance(v, Tensor) or v.device.type == "cpu" for v in scalars.values())


def _n_counted(number: Any) -> int:
    """What a caller's count returned, as a whole number."""
    value = number.item() if isinstance(number, Tensor) and number.numel() == 1 else number
    return as_count(value, "what count returns for a batch", at_least=0)


def _n_rows(batch: Any) -> int:
    """How many samples a batch holds; of tensors that belong together each has as many rows."""
    first = batch[0] if isinstance(batch, tuple) and batch else batch
    if not isinstance(first, Tensor) or first.ndim == 0:
        raise TypeError(
            "a batch is counted by the rows of its tensor, or of the first of a tuple of tensors, "
            f"and this one is a {type(batch).__name__}; give count, a function that returns how "
            "many it holds"
        )
    return len(first)


def _identity(batches: Any) -> dict[str, Any]:
    """What tells batches from others; refuse those that a checkpoint could not continue."""
    methods = ("state_dict", "load_state_dict", "identity")
    lacking = [name for name in methods if not callable(getattr(batches, name, None))]
    if lacking:
        raise ValueError(
            "with a checkpoint folder the batches must be able to go on where they stopped, by "
            "state_dict() and load_state_dict(), and must say by identity() what tells them from "
            f"others, such as their seed and a hash of the data; {type(batches).__name__} lacks "
            f"{' and '.join(lacking)}. Take the batches of aigc_tutorial.data, or no folder"
        )
    return dict(batches.identity())
