"""The loop counts data, records, calls back and saves; history and trackers with it."""

import itertools
import math
from inspect import unwrap
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data
from torch import nn

from aigc_tutorial.data import ShuffledBatches, ShuffledTuples
from aigc_tutorial.training import CsvTracker, Engine, History, load_checkpoint, loop, run


class CountingTask:
    """Adds up what it sees; its state is the sum."""

    def __init__(self):
        self.total = 0.0
        self.progress = []

    def step(self, batch, progress):
        self.total += batch.sum().item()
        self.progress.append(progress)
        return {"total": torch.tensor(self.total)}

    def state_dict(self):
        return {"total": self.total}

    def load_state_dict(self, state):
        self.total = state["total"]


def batches(size=10):
    return ShuffledBatches(torch.arange(100.0), size, rng=torch.Generator().manual_seed(0))


def test_progress_is_counted_in_data():
    task = CountingTask()
    result = run(task, batches(), budget=100, progress_bar=False)
    assert result.n_seen == 100
    assert task.total == sum(range(100))
    assert task.progress == pytest.approx([i / 10 for i in range(10)])


def test_the_last_batch_may_pass_the_budget():
    assert run(CountingTask(), batches(30), budget=100, progress_bar=False).n_seen == 120


def test_rows_and_callbacks_come_when_they_are_due():
    called: list[int] = []
    result = run(
        CountingTask(),
        batches(),
        budget=100,
        log_every=25,
        at={0: called.append, 35: called.append, 36: called.append, 100: called.append},
        progress_bar=False,
    )
    assert result.history["n_images"] == [30, 50, 80, 100]
    assert called == [0, 40, 100]


def test_the_last_row_is_there_though_no_row_is_due():
    result = run(CountingTask(), batches(), budget=40, log_every=25, progress_bar=False)
    assert result.history["n_images"] == [30, 40]


def test_seconds_are_those_of_the_steps_and_add_up_over_a_resume(tmp_path, monkeypatch):
    clock = itertools.count(step=0.5)  # it is read before and after each step
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(clock)))

    def stop(n_seen):
        raise KeyboardInterrupt

    def start(**given):
        return run(CountingTask(), batches(), budget=100, progress_bar=False, **given)

    folder: dict[str, Any] = {"checkpoint_folder": tmp_path, "checkpoint_every": 10}
    assert start().seconds == pytest.approx(10 * 0.5)
    with pytest.raises(KeyboardInterrupt):
        start(at={50: stop}, **folder)
    assert load_checkpoint(tmp_path)["n_seen"] > 0
    assert start(at={50: lambda n_seen: None}, **folder).seconds == pytest.approx(10 * 0.5)


def test_tokens_can_be_counted_instead():
    result = run(
        CountingTask(), batches(), budget=1_000, unit="tokens", count=lambda b: 25 * len(b),
        progress_bar=False,
    )  # fmt: skip
    assert result.n_seen == 1_000
    assert result.history["n_tokens"][-1] == 1_000


@pytest.mark.parametrize("name", ["budget", "log_every", "checkpoint_every"])
@pytest.mark.parametrize("wrong", [0, 100.0, True])
def test_what_is_counted_is_a_whole_number(name, wrong):
    untyped: Any = unwrap(run)  # without the tests' own check of types
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        untyped(CountingTask(), batches(), **{"budget": 100, name: wrong})


def test_batches_of_several_tensors_are_counted_by_their_rows():
    class Pairs(CountingTask):
        def step(self, batch, progress):
            return super().step(batch[0], progress)

    task, rng = Pairs(), torch.Generator().manual_seed(0)
    pairs = ShuffledTuples((torch.arange(100.0), torch.zeros(100)), 10, rng=rng)
    result = run(task, pairs, budget=100, log_every=50, progress_bar=False)
    assert (task.total, result.n_seen, result.history["n_images"]) == (4950, 100, [50, 100])


@pytest.mark.parametrize("batch", [[torch.ones(4), torch.ones(4)], {"x": torch.ones(4)}, (), 3.0])
def test_what_has_no_rows_needs_a_count(batch):
    class Blind(CountingTask):
        def step(self, batch, progress):
            return {"loss": torch.tensor(0.0)}

    untyped: Any = unwrap(run)
    options = {"budget": 8, "progress_bar": False}
    with pytest.raises(TypeError, match=f"this one is a {type(batch).__name__}; give count"):
        untyped(Blind(), itertools.repeat(batch), **options)
    assert untyped(Blind(), itertools.repeat(batch), count=lambda _: 4, **options).n_seen == 8


@pytest.mark.parametrize("wrong", [-1, 2.5, math.nan, "4", torch.tensor(0.5)])
def test_a_count_is_a_whole_number(wrong):
    untyped: Any = unwrap(run)
    with pytest.raises(ValueError, match="what count returns for a batch must be at least 0"):
        untyped(CountingTask(), batches(), budget=8, count=lambda _: wrong, progress_bar=False)


def test_a_count_may_be_a_tensor_and_the_total_is_none():
    untyped: Any = unwrap(run)
    options = {"budget": 20, "count": lambda b: (b >= 0).sum(), "progress_bar": False}
    result = untyped(CountingTask(), batches(), **options)
    assert type(result.n_seen) is int
    assert result.n_seen == 20


def test_batches_without_anything_to_count_do_not_go_on_for_ever():
    untyped: Any = unwrap(run)
    empty = itertools.repeat(torch.ones(0))
    with pytest.raises(ValueError, match="batches one after the other held no images"):
        untyped(CountingTask(), empty, budget=8, progress_bar=False)
    now_and_then = itertools.cycle([torch.ones(0), torch.ones(0), torch.ones(4)])
    assert untyped(CountingTask(), now_and_then, budget=8, progress_bar=False).n_seen == 8


@pytest.mark.parametrize("kind", [list, torch.utils.data.DataLoader])
def test_what_ends_and_begins_anew_is_no_stream_of_batches(kind):
    untyped: Any = unwrap(run)
    with pytest.raises(TypeError, match=f"an iterator without end, and a {kind.__name__}"):
        untyped(CountingTask(), kind(torch.arange(100.0)), budget=100)


@pytest.mark.parametrize("returned", [None, 0.5, {"loss": torch.ones(2)}, {"loss": "0.5"}])
def test_a_step_returns_numbers_by_name(returned):
    class Wrong(CountingTask):
        def step(self, batch, progress):
            return returned

    untyped: Any = unwrap(run)
    with pytest.raises(TypeError, match=r"a task's step must return a dictionary of single numb"):
        untyped(Wrong(), batches(), budget=100, progress_bar=False)


def test_numbers_of_a_step_may_be_pythons_or_have_a_graph():
    class Kinds(CountingTask):
        def step(self, batch, progress):
            weight = torch.ones(1, requires_grad=True)
            return {"float": 0.5, "integer": np.int64(3), "graph": 2 * weight}

    history = run(Kinds(), batches(), budget=100, log_every=100, progress_bar=False).history
    assert [history[name] for name in ("float", "integer", "graph")] == [[0.5], [3], [2]]

    class NotANumber(CountingTask):
        def step(self, batch, progress):
            return {"loss": float("nan")}

    with pytest.raises(FloatingPointError, match="after 10 images, loss is nan"):
        run(NotANumber(), batches(), budget=100, progress_bar=False)


@pytest.mark.parametrize("when", [-1, 101])
def test_a_callback_that_would_never_be_called_is_refused(when):
    with pytest.raises(ValueError, match=r"at names .*; expected 0 to 100, the budget"):
        run(CountingTask(), batches(), budget=100, at={50: print, when: print})


def test_seeds_are_whole_numbers_of_python_or_numpy():
    untyped: Any = unwrap(run)  # without the tests' own check of types
    totals = []
    for seed in (1, np.arange(2)[1]):
        untyped(task := Drawing(), batches(), budget=100, seed=seed, progress_bar=False)
        totals.append(task.total)
    assert totals[0] == totals[1]
    with pytest.raises(ValueError, match=r"seed must be at least 0, a whole number, got 1\.5"):
        untyped(Drawing(), batches(), budget=100, seed=1.5)
    with pytest.raises(TypeError, match="engine must be of the class Engine, got 'cpu'; write"):
        untyped(Drawing(), batches(), budget=100, engine="cpu")


def test_batches_that_end_or_cannot_go_on_are_told(tmp_path):
    untyped: Any = unwrap(run)
    few = (batch for batch in [torch.ones(10)] * 3)
    with pytest.raises(ValueError, match="generator lacks state_dict and load_state_dict and id"):
        untyped(CountingTask(), few, budget=40, checkpoint_folder=tmp_path, progress_bar=False)
    with pytest.raises(ValueError, match="the batches ended after 30 of 40 images"):
        untyped(CountingTask(), few, budget=40, progress_bar=False)


def test_history_reads_by_column_and_by_row(tmp_path):
    history = History()
    history.append({"n_seen": 1, "loss": 0.5})
    history.append({"n_seen": 2, "loss": 0.25})
    assert history["loss"] == [0.5, 0.25]
    assert list(history.rows())[1] == {"n_seen": 2.0, "loss": 0.25}
    history.to_csv(tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text().split() == ["n_seen,loss", "1.0,0.5", "2.0,0.25"]
    with pytest.raises(KeyError, match="there are"):
        history["accuracy"]
    with pytest.raises(ValueError, match="expected the columns"):
        history.append({"n_seen": 3})
    assert history.n_rows == 2


class NotFinite(CountingTask):
    """Its loss, or a tensor of its state, is NaN once so many numbers have been seen."""

    def __init__(self, *, loss_after=10**9, weight_after=10**9):
        super().__init__()
        self.loss_after, self.weight_after = loss_after, weight_after
        self.n_seen = 0

    def step(self, batch, progress):
        super().step(batch, progress)
        self.n_seen += len(batch)
        return {"loss": torch.tensor(0.0 if self.n_seen <= self.loss_after else torch.nan)}

    def state_dict(self):
        weight = torch.tensor(1.0 if self.n_seen <= self.weight_after else torch.inf)
        return {**super().state_dict(), "layers": [{"weight": weight}], "n_seen": self.n_seen}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.n_seen = state["n_seen"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"loss_after": 60}, r"after 70 images, loss is nan"),
        ({"weight_after": 60}, r"after 80 images, layers/0/weight holds numbers"),
    ],
)
def test_what_is_not_finite_ends_the_run_and_spares_the_checkpoint(tmp_path, fault, message):
    def start(task, name):
        return run(
            task, batches(), budget=120, log_every=10, tracker=CsvTracker(tmp_path / f"{name}.csv"),
            checkpoint_folder=tmp_path / name, checkpoint_every=40, progress_bar=False,
        )  # fmt: skip

    whole = start(NotFinite(), "whole")
    with pytest.raises(FloatingPointError, match=message):
        start(NotFinite(**fault), "stopped")
    assert load_checkpoint(tmp_path / "stopped")["n_seen"] == 40
    n_rows = len((tmp_path / "stopped.csv").read_text().splitlines()) - 1
    assert n_rows in (6, 8)  # more than the checkpoint, and none that is not finite
    assert "nan" not in (tmp_path / "stopped.csv").read_text()
    resumed = start(NotFinite(), "stopped")
    assert resumed.n_seen == 120
    assert list(resumed.history.rows()) == list(whole.history.rows())
    assert (tmp_path / "stopped.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_weights_that_are_not_finite_end_a_run_without_a_checkpoint_too():
    with pytest.raises(FloatingPointError, match=r"after 100 images, layers/0/weight"):
        run(NotFinite(weight_after=60), batches(), budget=100, progress_bar=False)
    with pytest.raises(FloatingPointError, match=r"after 0 images, layers/0/weight"):
        run(NotFinite(weight_after=-1), batches(), budget=100, progress_bar=False)


def test_on_a_gpu_the_steps_are_looked_at_together(monkeypatch):
    """Nothing waits for the device between rows; the error still names the first bad step."""
    monkeypatch.setattr(loop, "_is_read_at_once", lambda scalars: False)
    with pytest.raises(FloatingPointError, match="after 50 images, loss is nan"):
        run(NotFinite(loss_after=40), batches(), budget=100, log_every=100, progress_bar=False)


def test_a_run_with_other_settings_is_refused(tmp_path):
    def start(budget=100, unit="images", **settings):
        return run(
            CountingTask(), batches(), budget=budget, unit=unit, settings=settings,
            checkpoint_folder=tmp_path, progress_bar=False,
        )  # fmt: skip

    start(seed=1, data="ab")
    assert start(seed=1, data="ab").n_seen == 100
    for changed, message in (
        ({"seed": 2}, "its seed is 1, and 2 is wanted"),
        ({"data": "cd"}, "its data is 'ab', and 'cd' is wanted"),
        ({"budget": 200}, r"its budget \(images\) is 100, and 200 is wanted"),
    ):
        with pytest.raises(ValueError, match=message):
            start(**{"seed": 1, "data": "ab", **changed})


def test_an_empty_folder_made_beforehand_will_do_and_strangers_in_it_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run(CountingTask(), batches(), budget=100, checkpoint_folder=tmp_path, progress_bar=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert load_checkpoint(tmp_path)["n_seen"] == 100


def test_what_cannot_be_saved_is_refused_before_the_first_step(tmp_path):
    task = CountingTask()
    task.total = object()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="cannot hold the object at '/task/total'"):
        run(task, batches(), budget=100, checkpoint_folder=tmp_path, progress_bar=False)
    assert task.progress == []


def test_a_checkpoint_that_is_marked_read_only_is_told_before_the_first_step(tmp_path):
    run(CountingTask(), batches(), budget=50, checkpoint_folder=tmp_path, progress_bar=False)
    path = tmp_path / "checkpoint.safetensors"
    path.chmod(0o444)
    task, content = CountingTask(), path.read_bytes()
    with pytest.raises(PermissionError, match="is marked read-only"):
        run(task, batches(), budget=100, checkpoint_folder=tmp_path, progress_bar=False)
    assert task.progress == []
    assert path.read_bytes() == content


def test_a_run_killed_before_its_first_checkpoint_begins_its_log_anew(tmp_path):
    class Killed(CountingTask):
        def step(self, batch, progress):
            if progress > 0.3:
                raise KeyboardInterrupt
            return super().step(batch, progress)

    tracker = CsvTracker(tmp_path / "log.csv")
    options: dict[str, Any] = {
        "log_every": 10, "tracker": tracker, "checkpoint_folder": tmp_path / "c",
        "progress_bar": False,
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        run(Killed(), batches(), budget=100, **options)
    assert len((tmp_path / "log.csv").read_text().split()) == 5
    result = run(CountingTask(), batches(), budget=100, **options)
    assert len((tmp_path / "log.csv").read_text().split()) == 11
    assert result.history.n_rows == 10


def test_a_checkpoint_brought_without_its_lock_goes_on_with_its_log(tmp_path):
    class Interrupted(CountingTask):
        def step(self, batch, progress):
            if progress > 0.6:
                raise KeyboardInterrupt
            return super().step(batch, progress)

    def start(task):
        return run(
            task, batches(), budget=100, log_every=10, tracker=CsvTracker(tmp_path / "log.csv"),
            checkpoint_folder=tmp_path / "c", checkpoint_every=40, progress_bar=False,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        start(Interrupted())
    (tmp_path / "c" / "checkpoint.lock").unlink()
    result = start(CountingTask())
    assert len((tmp_path / "log.csv").read_text().split()) == 11
    assert result.history["n_images"] == [*range(10, 101, 10)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "log.csv"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    def second(n_seen):
        run(CountingTask(), batches(), budget=100, checkpoint_folder=tmp_path, progress_bar=False)

    with pytest.raises(RuntimeError, match="another run writes its checkpoints"):
        run(
            CountingTask(), batches(), budget=100, at={50: second}, checkpoint_folder=tmp_path,
            progress_bar=False,
        )  # fmt: skip


def test_a_run_tells_its_tracker_what_is_its_own(tmp_path):
    """A finished run that is begun again finds another run's log, and loses none of the two."""
    log = tmp_path / "log.csv"

    def start(size, folder):
        run(
            CountingTask(), batches(size), budget=100, log_every=20, tracker=CsvTracker(log),
            checkpoint_folder=folder, progress_bar=False,
        )  # fmt: skip

    start(10, tmp_path / "c")
    first = log.read_text()
    start(25, None)
    second = log.read_text()
    start(10, tmp_path / "c")
    assert (tmp_path / "log-1.csv").read_text() == first
    assert (tmp_path / "log-2.csv").read_text() == second
    assert log.read_text() == first


class Drawing(CountingTask):
    """Draws from torch's own generator, as dropout does."""

    def __init__(self, stop_after=10**9):
        super().__init__()
        self.stop_after = stop_after

    def step(self, batch, progress):
        if len(self.progress) == self.stop_after:
            raise KeyboardInterrupt
        return super().step(batch + torch.rand(len(batch)), progress)


def test_what_is_drawn_without_a_generator_follows_from_the_seed(tmp_path):
    def start(seed, task=None, folder=None):
        torch.rand(int(torch.randint(100, ())))  # the caller's own state is another each time
        before, task = torch.get_rng_state(), task or Drawing()
        try:
            run(
                task, batches(), budget=100, seed=seed, checkpoint_folder=folder,
                checkpoint_every=30, progress_bar=False,
            )  # fmt: skip
        finally:
            assert torch.equal(torch.get_rng_state(), before)
        return task.total

    whole = start(1)
    assert start(1) == whole
    assert start(2) != whole
    with pytest.raises(KeyboardInterrupt):
        start(1, Drawing(stop_after=5), tmp_path)
    assert start(1, folder=tmp_path) == whole


def test_looking_draws_nothing_from_the_training():
    drawn: list[float] = []

    def look(n_seen):
        drawn.append(float(torch.rand(())))

    totals = []
    for seed, at in ((1, {}), (1, {0: look, 30: look}), (2, {30: look})):
        run(task := Drawing(), batches(), budget=100, seed=seed, at=at, progress_bar=False)
        totals.append(task.total)
    assert totals[0] == totals[1] != totals[2]
    assert drawn[0] == drawn[1] != drawn[2]  # the same each time, and from the seed


class Overflowing(CountingTask):
    """In fp16, the gradient overflows until the scale of its loss was halved a few times."""

    def __init__(self, engine, size=4.0, stop_after=10**9):
        super().__init__()
        self.engine, self.size, self.stop_after = engine, size, stop_after
        self.weight = nn.Parameter(torch.zeros(()))
        self.optimizer = torch.optim.SGD([self.weight], lr=1e-3)

    def step(self, batch, progress):
        if len(self.progress) == self.stop_after:
            raise KeyboardInterrupt
        self.engine.minimise((self.weight.half() * self.size).float(), self.optimizer)
        return super().step(batch, progress) | {"weight": self.weight.detach().clone()}

    def state_dict(self):
        return super().state_dict() | {"weight": self.weight.detach()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.weight.data.copy_(state["weight"])


def overflowing(engine, folder=None, budget=100, **options):
    run_options: dict[str, Any] = {"checkpoint_every": 10, "progress_bar": False, "log_every": 10}
    task = Overflowing(engine, **options)
    result = run(task, batches(), budget=budget, engine=engine, checkpoint_folder=folder,
                 **run_options)  # fmt: skip
    return result.history["weight"]


def half():
    return Engine(device="cpu", mixed_precision="fp16")


def test_each_run_with_one_engine_in_fp16_begins_with_the_same_scale():
    engine = half()
    first = overflowing(engine)
    assert first[0] == 0 != first[-1]  # steps were left out at first, and taken later
    assert overflowing(engine) == first == overflowing(half())


def test_in_fp16_a_run_that_was_stopped_in_its_first_steps_leaves_nothing_behind():
    engine = half()
    stopped = Overflowing(engine, stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        run(stopped, batches(), budget=100, engine=engine, progress_bar=False)
    assert overflowing(engine)[-1] != 0


def test_in_fp16_checkpoints_come_before_the_first_step_that_is_taken(tmp_path):
    whole = overflowing(half(), tmp_path / "whole")
    for stop_after in (2, 2, 5):  # with the one that is taken back
        with pytest.raises(KeyboardInterrupt):
            overflowing(half(), tmp_path / "parts", stop_after=stop_after)
    assert overflowing(half(), tmp_path / "parts") == whole


def test_in_fp16_a_run_without_any_step_is_told_at_its_end(tmp_path):
    for folder in (None, tmp_path, tmp_path):  # at a second try too
        with pytest.raises(FloatingPointError, match="none of 2 steps in fp16 was taken"):
            overflowing(half(), folder, budget=20, size=6e4)
    with pytest.raises(FloatingPointError, match="32 steps in fp16 were left out"):
        overflowing(half(), budget=400, size=math.inf)


def test_an_error_of_the_last_callback_costs_no_training(tmp_path):
    called: list[int] = []

    def fail(n_seen):
        raise ValueError("the held-out text is too short")

    def start(at):
        task = CountingTask()
        run(task, batches(), budget=100, at=at, checkpoint_folder=tmp_path, progress_bar=False)
        return task

    with pytest.raises(ValueError, match="held-out"):
        start({50: called.append, 100: fail})
    assert load_checkpoint(tmp_path)["n_seen"] == 100
    task = start({50: called.append, 100: called.append})
    assert task.total == sum(range(100))
    assert len(task.progress) == 1  # the first step, which was tried and taken back
    assert called == [50, 100]
    start({50: called.append, 100: called.append})
    assert called == [50, 100]  # it was saved that all had been called


def test_a_callback_may_change_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    run(
        CountingTask(),
        batches(),
        budget=100,
        at={50: lambda n_seen: monkeypatch.chdir(tmp_path / "elsewhere")},
        tracker=CsvTracker("log.csv"),
        checkpoint_folder="run",
        checkpoint_every=30,
        progress_bar=False,
    )
    assert not list((tmp_path / "elsewhere").iterdir())
    assert load_checkpoint(tmp_path / "run")["n_seen"] == 100
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 11


def test_what_is_no_tracker_and_no_callback_is_told_before_the_first_step():
    task = CountingTask()
    for given in ({"tracker": "log.csv"}, {"at": {100: None}}):
        with pytest.raises(TypeError, match=r"tracker must|at\[100\] must be a func"):
            unwrap(run)(task, batches(), budget=100, progress_bar=False, **given)
    assert task.progress == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"at": {100: lambda: None}}, r"at\[100\] must be a function .*too many positional"),
        ({"count": lambda: 1}, r"count must be a function that takes a batch.*too many positional"),
        ({"tracker": CsvTracker}, r"tracker must have the methods"),
    ],
)
def test_functions_that_could_not_be_called_are_told_before_the_first_step(given, message):
    task = CountingTask()
    with pytest.raises(TypeError, match=message):
        unwrap(run)(task, batches(), budget=100, progress_bar=False, **given)
    assert task.progress == []


@pytest.mark.parametrize("task", [nn.Linear(1, 1), CountingTask, lambda batch, progress: {}])
def test_what_is_no_task_is_told(task):
    with pytest.raises(TypeError, match=r"the task must have step, state_dict and load_state_dict"):
        unwrap(run)(task, batches(), budget=100, progress_bar=False)


def test_no_number_of_a_step_takes_the_place_of_what_was_seen():
    class Counted(CountingTask):
        def step(self, batch, progress):
            return {"n_images": 3.0}

    with pytest.raises(ValueError, match="a number called n_images, as the column of the data"):
        run(Counted(), batches(), budget=100, progress_bar=False)


def test_a_column_that_the_reader_adds_to_is_a_copy():
    """``losses += another.history["loss"]`` made the first history's columns unequal."""
    history = History()
    history.append({"n_images": 1, "loss": 2.0})
    losses = history["loss"]
    losses += [3.0]
    assert (history["loss"], list(history.rows())) == ([2.0], [{"n_images": 1.0, "loss": 2.0}])
