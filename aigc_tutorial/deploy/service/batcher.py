"""Sequences of one model, written together; who comes joins between two tokens.

Nothing here knows of threads or of HTTP: :meth:`TextBatcher.step` is one token of each sequence.
"""

from collections import deque
from dataclasses import dataclass

from torch import stack

from aigc_tutorial.ar.generation.rows import NO_TOKEN, RowReader, sample_rows
from aigc_tutorial.ar.generation.sampling import SamplingConfig, sample
from aigc_tutorial.ar.generation.stream import TextPieces
from aigc_tutorial.deploy.service.errors import ServiceError, model_failed
from aigc_tutorial.deploy.service.jobs import Answers, Step, TextJob
from aigc_tutorial.deploy.service.models import TextModel
from aigc_tutorial.deploy.service.stops import StopTexts


@dataclass
class _Row:
    """A sequence that is being written."""

    job: TextJob
    pieces: TextPieces
    stops: StopTexts
    n_new: int = 0
    token: int = NO_TOKEN


class TextBatcher:
    """Writes up to ``max_batch`` sequences at a time, and keeps the others in the order they came.

    Args:
        name: of the model, for errors.
        served: the model and its tokenizer.
        max_batch: sequences at a time.
    """

    def __init__(self, name: str, served: TextModel, max_batch: int) -> None:
        self.name = name
        self.tokenizer = served.tokenizer
        self.waiting: deque[TextJob] = deque()
        self._reader = RowReader(served.model, max_batch)
        self._running: dict[int, _Row] = {}

    @property
    def n_running(self) -> int:
        """Sequences that are being written."""
        return len(self._running)

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._running or self.waiting)

    def submit(self, job: TextJob) -> None:
        """Let a sequence wait for its turn."""
        self.waiting.append(job)

    def cancel(self, job: TextJob) -> bool:
        """Forget a sequence; return whether it was still here."""
        if job in self.waiting:
            self.waiting.remove(job)
            return True
        rows = [row for row, running in self._running.items() if running.job is job]
        for row in rows:
            self._end(row)
        return bool(rows)

    def step(self) -> Answers:
        """Draw the next token of each sequence, those included that can begin now."""
        answers: Answers = []
        read = self._reader.read({row: running.token for row, running in self._running.items()})
        logits = dict(zip(self._running, read, strict=True))
        while self.waiting and (free := self._reader.free):
            job = self.waiting.popleft()
            try:
                logits[free[0]] = self._reader.begin(free[0], job.prompt)
            except ValueError as error:
                answers.append((job, Step(error=ServiceError(400, f"{error}.", param="prompt"))))
                continue
            self._running[free[0]] = _Row(job, TextPieces(self.tokenizer), StopTexts(job.stops))
        if not logits:
            return answers
        jobs = [self._running[row].job for row in logits]
        tokens = sample_rows(
            stack(list(logits.values())),
            [job.temperature for job in jobs],
            [job.top_p for job in jobs],
            [job.rng for job in jobs],
        )
        for row, token in zip(logits, tokens, strict=True):
            running = self._running[row]
            if token == NO_TOKEN:
                step = Step(error=model_failed(self.name, _fault(logits[row])))
            else:
                step = self._take(running, token)
            answers.append((running.job, step))
            if step.is_last:
                self._end(row)
        return answers

    def fail(self, error: ServiceError) -> Answers:
        """End everything with an error."""
        jobs = [running.job for running in self._running.values()] + list(self.waiting)
        for row in list(self._running):
            self._end(row)
        self.waiting.clear()
        return [(job, Step(error=error)) for job in jobs]

    def _take(self, running: _Row, token: int) -> Step:
        running.token, running.n_new = token, running.n_new + 1
        if token == self.tokenizer.eos_id:
            return Step(self._rest(running), 1, finish="stop")
        text = running.stops.push(running.pieces.push(token))
        if running.stops.found:
            return Step(text, 1, finish="stop")
        if running.n_new == running.job.max_new_tokens:
            text += self._rest(running)
            return Step(text, 1, finish="stop" if running.stops.found else "length")
        return Step(text, 1)

    def _rest(self, running: _Row) -> str:
        text = running.stops.push(running.pieces.flush())
        return text + running.stops.flush()

    def _end(self, row: int) -> None:
        del self._running[row]
        self._reader.end(row)


def _fault(logits: object) -> str:
    """What is wrong with logits that nothing can be drawn from."""
    try:
        sample(logits, SamplingConfig())  # type: ignore[arg-type]
    except ValueError as error:
        return str(error)
    return "its logits are no distribution"
