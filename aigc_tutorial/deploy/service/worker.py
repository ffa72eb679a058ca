"""The one thread that owns the models.

Requests come from the event loop, wait in a list, and are taken up between two steps; the steps'
results go back to the event loop, all of one step in one call. So no lock is held while a model
computes, and a model is never asked by two at a time.

Python lets one thread run at a time, and one that computes gives way only every five milliseconds
to one that would write a few bytes to a client. So after each step the worker waits until the event
loop has sent what the step before gave, and has looked at who else is at the door.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

import torch

from aigc_tutorial.deploy.service.batcher import TextBatcher
from aigc_tutorial.deploy.service.errors import closing, model_failed, too_busy
from aigc_tutorial.deploy.service.jobs import Answers, Job, Step
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.deploy.service.metrics import Metrics
from aigc_tutorial.deploy.service.models import Models, TextModel
from aigc_tutorial.deploy.service.painter import ImagePainter

logger = logging.getLogger(__name__)
Engine = TextBatcher | ImagePainter
Inbox = asyncio.Queue[tuple[int, Step]]
SECONDS_TO_SEND = 1.0
"""How long the worker waits for an event loop that is busy or gone."""


class Worker:
    """Runs the engines of all models in a thread of its own.

    Args:
        models: what is served, by name.
        limits: how much may wait.
        clock: seconds.
    """

    def __init__(
        self, models: Models, limits: Limits, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self.metrics = Metrics(clock)
        self._engines: dict[str, Engine] = {
            name: TextBatcher(name, served, limits.max_batch)
            if isinstance(served, TextModel)
            else ImagePainter(name, served)
            for name, served in models.items()
        }
        self._room = {
            name: limits.max_queue + (limits.max_batch if isinstance(engine, TextBatcher) else 1)
            for name, engine in self._engines.items()
        }
        self._condition = threading.Condition()
        self._submitted: list[Job] = []
        self._cancelled: list[Job] = []
        self._inside: dict[Job, None] = {}
        self._n_running = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._sent: list[threading.Event] = []

    @property
    def n_inside(self) -> int:
        """Jobs that are waiting or running."""
        return len(self._inside)

    @property
    def is_alive(self) -> bool:
        """Whether requests are worked on."""
        return self._thread is not None and self._thread.is_alive() and not self._closing

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End at once; what is still here fails."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take up jobs of one request, all of them or none.

        Raises:
            ServiceError: if there is no room for them, or the service ends.
        """
        with self._condition:
            if not self.is_alive:
                raise closing()
            inside = sum(job.model == jobs[0].model for job in self._inside)
            if inside + len(jobs) > self._room[jobs[0].model]:
                raise too_busy(self._seconds_to_wait())
            for job in jobs:
                job.asked = self._clock()
                self._inside[job] = None
            self._submitted += jobs
            self._note()
            self._condition.notify()

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Forget jobs whose client has left; those that have ended stay so."""
        with self._condition:
            gone = [job for job in jobs if job in self._inside]
            for job in gone:
                del self._inside[job]
                self.metrics.cancelled.labels(job.model).inc()
            self._cancelled += gone
            self._note()
            self._condition.notify()

    def _run(self) -> None:
        try:
            with torch.no_grad():
                while self._take_up():
                    busy = [pair for pair in self._engines.items() if pair[1].is_busy]
                    self._answer([answer for pair in busy for answer in self._step(*pair)])
        finally:  # also where a fault ends the thread: nobody waits for what does not come
            with self._condition:
                self._closing = True
                left = list(self._inside)
            self._answer([(job, Step(error=closing())) for job in left])

    def _take_up(self) -> bool:
        """Wait until there is something to do; return whether to go on."""
        with self._condition:
            self._condition.wait_for(
                lambda: (
                    self._closing
                    or self._submitted
                    or self._cancelled
                    or any(engine.is_busy for engine in self._engines.values())
                )
            )
            if self._closing:
                return False
            submitted, self._submitted = self._submitted, []
            cancelled, self._cancelled = self._cancelled, []
        for job in submitted:
            self._engines[job.model].submit(job)  # type: ignore[arg-type]
        for job in cancelled:
            self._engines[job.model].cancel(job)  # type: ignore[arg-type]
        return True

    def _step(self, name: str, engine: Engine) -> Answers:
        try:
            answers = engine.step()
        except Exception as error:  # whatever it is, whoever waits must hear of it
            logger.exception("a step of %s failed", name)
            failed = model_failed(name, f"{type(error).__name__}: {error}")
            engine.fail(failed)
            # All that were asked of it, whatever became of them in the step that failed.
            with self._condition:
                taken = {*self._inside} - {*self._submitted}
            return [(job, Step(error=failed)) for job in taken if job.model == name]
        if isinstance(engine, TextBatcher) and answers:
            self.metrics.rows.labels(name).observe(len(answers))
        return answers

    def _answer(self, answers: Answers) -> None:
        """Send steps to those who wait for them, and do not run ahead of the event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Inbox, tuple[int, Step]]]] = {}
        with self._condition:
            for job in self._inside:
                if job.loop is not None:
                    by_loop.setdefault(job.loop, [])
            for job, step in answers:
                if job not in self._inside:
                    continue  # the client has left in the meantime
                self.metrics.answer(job, step)
                if step.error is not None and step.error.status >= 500:
                    logger.error("%s", step.error.message)
                if step.is_last:
                    del self._inside[job]
                if job.loop is not None and job.inbox is not None:
                    by_loop[job.loop].append((job.inbox, (job.index, step)))
            self._n_running = sum(engine.n_running for engine in self._engines.values())
            self._note()
        before, self._sent = self._sent, []
        for loop, messages in by_loop.items():
            sent = threading.Event()
            try:
                loop.call_soon_threadsafe(_put_all, loop, messages, sent)
            except RuntimeError:  # it was closed, and nobody waits in it
                logger.debug("nobody waits for %d answers", len(messages))
            else:
                self._sent.append(sent)
        for sent in before:
            sent.wait(SECONDS_TO_SEND)

    def _note(self) -> None:
        """Bring the gauges up to date."""
        running = min(self._n_running, self.n_inside)
        self.metrics.running.set(running)
        self.metrics.waiting.set(self.n_inside - running)
        self.metrics.count_inside(self.n_inside)

    def _seconds_to_wait(self) -> int:
        """When to come again: the time that the oldest job here has taken so far, 1 to 30 s."""
        oldest = min((job.asked for job in self._inside), default=self._clock())
        return int(min(30, max(1, self._clock() - oldest)))


def _put_all(
    loop: asyncio.AbstractEventLoop,
    messages: list[tuple[Inbox, tuple[int, Step]]],
    sent: threading.Event,
) -> None:
    for inbox, message in messages:
        inbox.put_nowait(message)
    loop.call_soon(sent.set)  # after those who wait at the inboxes
