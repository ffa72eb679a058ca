"""The loop counts data, records, calls back and saves; schedule, history and trackers with it."""

import pytest
import torch

from aigc_tutorial.data import ShuffledBatches
from aigc_tutorial.optim import warmup_flat_decay
from aigc_tutorial.training import Engine, History, run


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
    return ShuffledBatches(torch.arange(100.0), size, generator=torch.Generator().manual_seed(0))


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
    assert called == [0, 40, 40, 100]


def test_tokens_can_be_counted_instead():
    result = run(
        CountingTask(), batches(), budget=1_000, unit="tokens", count=lambda b: 25 * len(b),
        progress_bar=False,
    )  # fmt: skip
    assert result.n_seen == 1_000
    assert result.history["n_tokens"][-1] == 1_000


def test_empty_budget_is_refused():
    with pytest.raises(ValueError, match="budget must be at least one"):
        run(CountingTask(), batches(), budget=0, progress_bar=False)


@pytest.mark.parametrize(
    ("progress", "factor"),
    [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.5, 1.0), (0.75, 0.51), (1.0, 0.02), (1.2, 0.02)],
)
def test_schedule(progress, factor):
    assert warmup_flat_decay(progress, warmup=0.1) == pytest.approx(factor)


def test_schedule_without_warm_up_or_decay():
    assert warmup_flat_decay(0.0) == 1.0
    assert warmup_flat_decay(1.0, flat_until=1.0) == 1.0


def test_schedule_refuses_a_warm_up_that_never_ends():
    with pytest.raises(ValueError, match="warmup <= flat_until"):
        warmup_flat_decay(0.3, warmup=0.6)


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


def test_engine_minimises():
    parameter = torch.nn.Parameter(torch.tensor([3.0]))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    engine = Engine(device="cpu")
    for _ in range(2):  # gradients of the first step must not leak into the second
        engine.minimise((parameter.square() / 2).sum(), optimizer)
    assert parameter.item() == pytest.approx(3.0 * 0.9**2)


def test_engine_refuses_devices_it_cannot_choose():
    with pytest.raises(ValueError, match="CUDA_VISIBLE_DEVICES"):
        Engine(device="cuda:3")
