"""The thread that owns the models: room, order, ends and failures."""

import asyncio
import threading
from typing import Any

import pytest

from aigc_tutorial.deploy.service import Limits
from aigc_tutorial.deploy.service.errors import ServiceError
from aigc_tutorial.deploy.service.jobs import ImageJob, Job, Step, TextJob
from aigc_tutorial.deploy.service.painter import ImagePainter
from aigc_tutorial.deploy.service.worker import Worker
from tests.deploy.service.small import Clock, generator, painter, writer

LIMITS = Limits(max_rows=2, max_batch=2, max_queue=3)


def job(**settings: Any) -> TextJob:
    return TextJob("writer", prompt=[97], **settings)


def with_inbox(*jobs: Job) -> asyncio.Queue[tuple[int, Step]]:
    inbox: asyncio.Queue[tuple[int, Step]] = asyncio.Queue()
    for index, one in enumerate(jobs):
        one.index, one.inbox, one.loop = index, inbox, asyncio.get_running_loop()
    return inbox


@pytest.fixture
def worker():
    made = Worker({"writer": writer(), "painter": painter()}, LIMITS)
    made.start()
    yield made
    made.close()


def test_who_finds_no_room_is_told_when_to_come_again():
    clock = Clock()
    worker = Worker({"writer": writer(), "painter": painter()}, LIMITS, clock)
    worker._thread = threading.current_thread()  # alive, and doing nothing
    for _ in range(2):
        worker.submit([job(), job()])
    with pytest.raises(ServiceError, match=r"The queue is full\. Try again in 1 s") as caught:
        worker.submit([job(), job()])
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    last = job()
    worker.submit([last])  # there was room for one
    worker.submit([ImageJob("painter", digit=3)])  # each model has a queue of its own
    clock.now = 17.6
    with pytest.raises(ServiceError, match="Try again in 17 s"):
        worker.submit([job()])
    worker.cancel([last])
    worker.submit([job()])
    assert worker.n_inside == 6


def test_a_worker_that_has_not_begun_or_has_ended_takes_nothing():
    worker = Worker({"writer": writer()}, LIMITS)
    with pytest.raises(ServiceError, match="being shut down") as caught:
        worker.submit([job()])
    assert caught.value.status == 503
    worker.start()
    assert worker.is_alive
    worker.close()
    with pytest.raises(ServiceError, match="being shut down"):
        worker.submit([job()])


def test_closing_fails_those_who_wait_and_ends_the_thread():
    before = threading.active_count()

    async def wait() -> list[Step]:
        worker = Worker({"writer": writer()}, LIMITS)
        worker.start()
        jobs = [job(max_new_tokens=10**6) for _ in range(4)]
        inbox = with_inbox(*jobs)
        worker.submit(jobs)
        await inbox.get()
        worker.close()
        await asyncio.sleep(0)
        last: dict[int, Step] = {}
        while not inbox.empty():
            index, step = inbox.get_nowait()
            last[index] = step
        return list(last.values())

    steps = asyncio.run(wait())
    assert [step.error and step.error.status for step in steps] == [503] * 4
    assert threading.active_count() == before


def test_a_fault_of_the_program_ends_the_jobs_of_its_model_and_no_more(worker, monkeypatch, caplog):
    async def ask() -> None:
        engine = worker._engines["writer"]
        jobs = [job(max_new_tokens=9), job(max_new_tokens=9)]
        inbox = with_inbox(*jobs)
        with monkeypatch.context() as patched:
            patched.setattr(engine, "step", lambda: 1 / 0)
            worker.submit(jobs)
            for _ in jobs:
                _, step = await asyncio.wait_for(inbox.get(), 10)
                assert step.error is not None
                assert step.error.status == 500
                assert "writer failed: ZeroDivisionError" in str(step.error)
        assert "a step of writer failed" in caplog.text
        again = job(max_new_tokens=1)
        inbox = with_inbox(again)
        worker.submit([again])
        _, step = await asyncio.wait_for(inbox.get(), 10)
        assert step.finish == "length"

    asyncio.run(ask())
    assert worker.n_inside == 0


@pytest.mark.parametrize("failing", ["begin", "read"])
def test_whoever_waits_when_a_step_fails_hears_of_it(worker, monkeypatch, failing):
    """A job that was just taken up is among them: it neither waits nor is it being written yet."""

    async def ask() -> None:
        def fault(*_: Any) -> None:
            raise RuntimeError("out of memory")

        jobs = [job(max_new_tokens=9), job(max_new_tokens=9)]
        inbox = with_inbox(*jobs)
        monkeypatch.setattr(worker._engines["writer"]._reader, failing, fault)
        worker.submit(jobs)
        last: dict[int, Step] = {}
        while not (len(last) == 2 and all(step.is_last for step in last.values())):
            index, step = await asyncio.wait_for(inbox.get(), 10)
            last[index] = step
        assert all("out of memory" in str(step.error) for step in last.values())

    asyncio.run(ask())
    assert worker.n_inside == 0
    assert worker.is_alive


def test_a_fault_that_ends_the_thread_keeps_nobody_waiting(worker, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    async def ask() -> None:
        one = job(max_new_tokens=9)
        inbox = with_inbox(one)
        monkeypatch.setattr(worker._engines["writer"], "submit", lambda _: 1 / 0)
        worker.submit([one])
        _, step = await asyncio.wait_for(inbox.get(), 10)
        assert step.error is not None
        assert step.error.status == 503

    asyncio.run(ask())
    assert worker.n_inside == 0
    assert not worker.is_alive
    with pytest.raises(ServiceError, match="being shut down"):
        worker.submit([job()])


def test_of_drawings_one_is_made_and_as_many_wait_as_the_limits_say():
    worker = Worker({"painter": painter()}, LIMITS)
    worker._thread = threading.current_thread()  # alive, and doing nothing
    for _ in range(1 + LIMITS.max_queue):
        worker.submit([ImageJob("painter", digit=3)])
    with pytest.raises(ServiceError, match="The queue is full"):
        worker.submit([ImageJob("painter", digit=3)])


def test_little_s_law_holds_of_what_the_service_counts():
    """Two jobs of 3 s and one of 5 s: 11 s inside, whatever they overlap."""
    clock = Clock()
    metrics = Worker({"writer": writer()}, LIMITS, clock).metrics
    for now, n in ((1, 1), (2, 2), (4, 1), (4, 2), (5, 1), (9, 0)):
        clock.now = now
        metrics.count_inside(n)
    assert b"aigc_inside_seconds_total 11.0" in metrics.as_text()


def test_a_loop_that_is_closed_keeps_nobody_waiting(worker):
    one = job(max_new_tokens=3)

    async def leave() -> None:
        with_inbox(one)

    asyncio.run(leave())
    worker.submit([one])
    for _ in range(500):
        if worker.n_inside == 0:
            break
        worker._thread.join(0.01)
    assert worker.n_inside == 0
    assert worker.is_alive


def drawn(engine: ImagePainter) -> list:
    answers = []
    while engine.is_busy:
        answers += engine.step()
    return answers


def test_drawings_are_made_in_their_order_and_can_be_forgotten():
    engine = ImagePainter("painter", painter())
    jobs = [ImageJob("painter", n=2, digit=digit) for digit in (1, 2, 3)]
    for one in jobs:
        engine.submit(one)
    assert engine.step() == []
    assert (engine.n_running, len(engine.waiting)) == (1, 2)
    assert engine.cancel(jobs[0])
    assert engine.cancel(jobs[2])
    assert not engine.cancel(jobs[0])
    ((one, step),) = drawn(engine)
    assert one is jobs[1]
    assert step.images.shape == (2, 5, 4)
    assert 1 < len({*step.images.flatten().tolist()} & {0, 128, 255}) <= 3


def test_the_drawing_is_the_one_that_the_model_samples():
    served = painter()
    model: Any = served.model
    engine = ImagePainter("painter", served)
    one = ImageJob("painter", n=3, digit=7)
    one.rng.manual_seed(5)
    engine.submit(one)
    ((_, step),) = drawn(engine)
    one.rng.manual_seed(5)
    levels = model.sample(3, [7] * 3, rng=one.rng)
    assert step.images.tolist() == (levels * 127.5).round().int().tolist()


@pytest.mark.parametrize("make", [painter, generator])
def test_a_drawing_of_wrong_numbers_fails_in_words(make):
    served = make(None)
    for parameter in served.model.parameters():
        parameter.data.fill_(float("nan"))
    engine = ImagePainter("drawer", served)
    engine.submit(ImageJob("drawer"))
    ((_, step),) = drawn(engine)
    assert step.error.status == 500
    assert str(step.error).startswith("The model drawer failed: ")
    assert "not numbers" in str(step.error) or "not finite" in str(step.error)
