"""What the service says of itself, for Prometheus."""

from collections.abc import Callable
from typing import Any

from aigc_tutorial.deploy.service.jobs import Job, Step, TextJob
from aigc_tutorial.environment import require

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
ROWS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)


class Metrics:
    """Counters and histograms, in a registry of their own: one process may have several services.

    Args:
        clock: seconds; the worker's.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        library = require("prometheus_client", extra="serve")
        self._write = library.generate_latest
        self.content_type: str = library.CONTENT_TYPE_LATEST
        self._clock = clock
        self._registry = library.CollectorRegistry()

        def made(kind: str, name: str, what: str, labels: tuple[str, ...] = (), **more: Any) -> Any:
            return getattr(library, kind)(name, what, labels, registry=self._registry, **more)

        self.requests = made(
            "Counter", "aigc_requests", "Requests that were answered.", ("path", "status")
        )
        self.tokens = made("Counter", "aigc_tokens", "Tokens that were drawn.", ("model",))
        self.cancelled = made(
            "Counter", "aigc_cancelled", "Jobs whose client left before the end.", ("model",)
        )
        self.rows = made(
            "Histogram", "aigc_batch_rows", "Sequences in a step.", ("model",), buckets=ROWS
        )
        self.first = made(
            "Histogram",
            "aigc_time_to_first_token_seconds",
            "From a request to its first token.",
            ("model",),
            buckets=SECONDS,
        )
        self.between = made(
            "Histogram",
            "aigc_inter_token_seconds",
            "From a token to the next one.",
            ("model",),
            buckets=SECONDS,
        )
        self.whole = made(
            "Histogram",
            "aigc_job_seconds",
            "From a request to its last token or image.",
            ("model",),
            buckets=SECONDS,
        )
        self.waiting = made("Gauge", "aigc_waiting", "Jobs that have not begun.")
        self.running = made("Gauge", "aigc_running", "Jobs that have begun.")
        self._n_inside = 0
        self._counted_to = clock()
        self._inside = made(
            "Counter",
            "aigc_inside_seconds",
            "Jobs that are waiting or running, summed over time: by Little's law its growth a "
            "second is the rate of jobs times the mean of aigc_job_seconds, as long as no client "
            "leaves before the end.",
        )

    def count_inside(self, n: int) -> None:
        """Note that from now on ``n`` jobs are waiting or running."""
        now = self._clock()
        self._inside.inc(self._n_inside * (now - self._counted_to))
        self._n_inside, self._counted_to = n, now

    def answer(self, job: Job, step: Step) -> None:
        """Note a step of an answer."""
        now = self._clock()
        if isinstance(job, TextJob) and step.n_tokens:
            self.tokens.labels(job.model).inc(step.n_tokens)
            if job.spoke is None:
                self.first.labels(job.model).observe(now - job.asked)
            else:
                self.between.labels(job.model).observe(now - job.spoke)
            job.spoke = now
        if step.is_last:
            self.whole.labels(job.model).observe(now - job.asked)

    def as_text(self) -> bytes:
        """All of it, in Prometheus' format."""
        self.count_inside(self._n_inside)
        text: bytes = self._write(self._registry)
        return text
