"""Ctrl-C during a run: once is a request, twice is an order."""

import signal
import threading
from unittest.mock import Mock, patch

import pytest

from aigc_tutorial.training import TrainingInterrupted, interruption, load_checkpoint, run
from aigc_tutorial.training.interruption import stop_requests
from tests.training.test_loop import CountingTask, batches


@pytest.fixture(autouse=True)
def interruptible():
    """As in a terminal: a shell in the background has its programs ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # given back
    signal.signal(signal.SIGINT, before)


class InterruptedTask(CountingTask):
    """Presses Ctrl-C in the middle of a step, and again after some seconds."""

    def __init__(self, at, again_after=()):
        super().__init__()
        self.at, self.again_after = at, again_after

    def step(self, batch, progress):
        if len(self.progress) == self.at:
            for seconds in (0.0, *self.again_after):
                with patch.object(interruption, "time", Mock(monotonic=lambda s=seconds: 50 + s)):
                    signal.raise_signal(signal.SIGINT)
        return super().step(batch, progress)


def go(task, folder, **options):
    options = {"budget": 100, "log_every": 10, **options}
    return run(task, batches(), checkpoint_folder=folder, progress_bar=False, **options)


def test_the_step_is_ended_and_saved_and_the_run_goes_on(tmp_path):
    whole = go(CountingTask(), tmp_path / "whole")
    # One step is taken and taken back at the beginning, to know the run again.
    with pytest.raises(TrainingInterrupted, match=r"after 40 of 100 images; the checkpoint"):
        go(InterruptedTask(at=4), tmp_path / "parts")
    assert load_checkpoint(tmp_path / "parts")["n_seen"] == 40
    resumed = go(CountingTask(), tmp_path / "parts")
    assert dict(resumed.history) == dict(whole.history)


def test_what_was_due_is_done_before_the_run_stops(tmp_path):
    """A callback of the moment of the checkpoint would not be called by the resumed run."""
    called: list[int] = []
    with pytest.raises(TrainingInterrupted):
        go(InterruptedTask(at=4), tmp_path, at={40: called.append, 50: called.append})
    go(CountingTask(), tmp_path, at={40: called.append, 50: called.append})
    assert called == [40, 50]


def test_at_the_end_there_is_nothing_to_stop(tmp_path):
    assert go(InterruptedTask(at=10), tmp_path).n_seen == 100


def test_twice_is_at_once_and_the_last_checkpoint_is_whole(tmp_path):
    with pytest.raises(KeyboardInterrupt) as caught:
        go(InterruptedTask(at=8, again_after=[1.5]), tmp_path, checkpoint_every=30)
    assert not isinstance(caught.value, TrainingInterrupted)
    assert load_checkpoint(tmp_path)["n_seen"] == 60


def test_a_launcher_that_passes_it_on_has_asked_once(tmp_path):
    with pytest.raises(TrainingInterrupted, match="stopped after 40 of 100"):
        go(InterruptedTask(at=4, again_after=[0.01, 0.9]), tmp_path)


def test_without_a_folder_ctrl_c_is_what_it_was():
    task = InterruptedTask(at=4)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(task, batches(), budget=100, progress_bar=False)
    assert not isinstance(caught.value, TrainingInterrupted)
    assert len(task.progress) == 4


def test_a_handler_of_the_program_is_kept():
    def own(number, frame):
        raise AssertionError("not called")

    signal.signal(signal.SIGINT, own)
    with stop_requests(is_heard=True):
        assert signal.getsignal(signal.SIGINT) is own
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_another_thread_hears_no_signals():
    def use():
        with stop_requests(is_heard=True) as request:
            found.append(request.is_made)

    found: list[bool] = []
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [False]
