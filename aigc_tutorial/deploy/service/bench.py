"""How long clients wait, and how many are served, against how many ask at a time.

Each client asks, reads its stream to the end, and asks again at once: a closed loop. So as many are
inside as there are clients, and Little's law (1961) can be held against what the service itself
counts: what is inside is the rate of requests times the time that one takes,

    L = λ W.

W is the time of the clients, with the way there and back, of which the service knows nothing: where
that is long beside the work, L falls short.
"""

import asyncio
import json
import math
import os
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_tutorial.config import Config
from aigc_tutorial.environment import require
from aigc_tutorial.files import expand, replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERCENTS = (50, 95, 99)
REQUESTS_OF_A_CLIENT = 3


@dataclass(frozen=True)
class BenchConfig(Config):
    """Settings of :func:`bench`.

    Attributes:
        url: Address of the running service.
        model: Name of a model of text that it serves.
        prompt: What every request goes on from.
        max_tokens: New tokens of a request.
        concurrency: How many clients ask at a time, one measurement after the other.
        seconds: Duration of each measurement, or longer: until each client has been served three
            times in the mean, since Little's law is one of the long run.
        warm_up_seconds: How long the same goes on before it, unmeasured.
        seed: Of the first request; each further one has the next number.
        folder: Where to write service.md, service.json and service.png; none are written without.
    """

    url: str = "http://127.0.0.1:8000"
    model: str = "shakespeare-characters"
    prompt: str = "ROMEO:"
    max_tokens: int = 64
    concurrency: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    seconds: float = 10.0
    warm_up_seconds: float = 1.0
    seed: int = 0
    folder: str | None = None

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("max_tokens", "concurrency", at_least=1)
        self.require("seconds", above=0)
        self.require("warm_up_seconds", "seed", at_least=0)
        if not self.concurrency:
            raise ValueError("concurrency must name at least one number of clients, got ()")


@dataclass(frozen=True)
class Level:
    """What was measured with one number of clients; times in seconds.

    Attributes:
        concurrency: clients that ask at a time.
        n_requests: requests that ended in the time of measurement.
        n_tokens: tokens that the service drew in it.
        n_refused: answers 429, after which a client waits as it is told.
        seconds: duration.
        first_token: time to the first token: 50, 95 and 99 %.
        inter_token: the same from one piece of text to the next; where a client lags behind, a
            piece holds several tokens.
        whole: the same from a request to its end.
        mean_whole: mean time from a request to its end.
        inside: mean number inside, as the service counts it.
    """

    concurrency: int
    n_requests: int
    n_tokens: int
    n_refused: int
    seconds: float
    first_token: tuple[float, ...]
    inter_token: tuple[float, ...]
    whole: tuple[float, ...]
    mean_whole: float
    inside: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all clients together."""
        return self.n_tokens / self.seconds

    @property
    def little(self) -> float:
        """L / (λ W): in the long run 1, less what the way there and back takes."""
        return self.inside / (self.n_requests / self.seconds * self.mean_whole)


@dataclass(frozen=True)
class Report:
    """What :func:`bench` measured. Prints as a table.

    Attributes:
        levels: one for each number of clients.
    """

    levels: tuple[Level, ...]

    def as_table(self) -> str:
        """Markdown; times in milliseconds, as 50 / 95 / 99 %."""
        head = (
            "| clients | tokens / s | first token (ms) | between tokens (ms) | whole (ms) | "
            "requests | refused | L / λW |"
        )
        return "\n".join([head, "|" + "---|" * 8, *map(_row, self.levels)])

    __str__ = as_table

    def plot(self, name: str = "", axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
        """Draw throughput and the three times against the number of clients.

        Args:
            name: of this line, where several reports are drawn into the same axes.
            axes: four of them; by default those of a new figure.
        """
        from aigc_tutorial.deploy.service.plots import draw_levels

        return draw_levels(self.levels, name, axes)


def bench(config: BenchConfig = BenchConfig()) -> Report:
    """Measure a running service; the API key is the one of AIGC_TUTORIAL_API_KEY.

    Raises:
        ConnectionError: if nothing answers at the address.
        RuntimeError: if it answers with an error.
        MissingDependencyError: if the extra "serve" is not installed.
    """
    require("httpx", extra="serve")
    report = Report(tuple(_run(_measure(config))))
    if config.folder is not None:
        write(report, config, expand(config.folder))
    return report


def _run(work: Coroutine[Any, Any, list[Level]]) -> list[Level]:
    """Run it to its end; in a notebook, where a loop is running already, in another thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def write(report: Report, config: BenchConfig, folder: Path) -> None:
    """Write the table, the numbers and the plot into a folder."""
    from aigc_tutorial.viz.style import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    numbers = {"config": vars(config), "levels": [vars(level) for level in report.levels]}
    with replace_file(folder / "service.json") as path:
        text = json.dumps(_without_nan(numbers), indent=2, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")
    with replace_file(folder / "service.md") as path:
        path.write_text(report.as_table() + "\n", encoding="utf-8")
    save_figure(report.plot(config.model)[0], folder / "service.png")


def _without_nan(value: Any) -> Any:
    """The same with null for what was not measured: between the tokens of one there is no time."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


class _Record:
    """What the clients of one level have seen, if it fell into the time of measurement."""

    def __init__(self) -> None:
        self.is_open = False
        self.n_refused = 0
        self.first: list[float] = []
        self.between: list[float] = []
        self.whole: list[float] = []


async def _measure(config: BenchConfig) -> list[Level]:
    import httpx

    key = os.environ.get("AIGC_TUTORIAL_API_KEY", "").strip()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None)
    timeout = httpx.Timeout(120.0)
    async with httpx.AsyncClient(
        base_url=config.url, headers=headers, limits=limits, timeout=timeout, trust_env=False
    ) as client:
        try:
            return [await _level(client, config, n) for n in config.concurrency]
        except httpx.TransportError as error:
            raise ConnectionError(
                f"the service at {config.url} does not answer ({error or type(error).__name__}); "
                "is it running? aigc-tutorial serve"
            ) from error


async def _level(client: Any, config: BenchConfig, concurrency: int) -> Level:
    record = _Record()
    seeds = iter(range(config.seed, 2**63))

    async def ask_again_and_again() -> None:
        while True:
            await _ask(client, config, next(seeds), record)

    clients = [asyncio.create_task(ask_again_and_again()) for _ in range(concurrency)]
    try:
        await _unless_one_fails(clients, config.warm_up_seconds)
        before, started = await _counted(client, config.model), time.perf_counter()
        record.is_open = True
        await _unless_one_fails(clients, config.seconds)
        while len(record.whole) < REQUESTS_OF_A_CLIENT * concurrency:
            await _unless_one_fails(clients, 0.1)
        record.is_open = False
        after, seconds = await _counted(client, config.model), time.perf_counter() - started
    finally:
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    n_tokens, inside = (later - earlier for later, earlier in zip(after, before, strict=True))
    return Level(
        concurrency=concurrency,
        n_requests=len(record.whole),
        n_tokens=round(n_tokens),
        n_refused=record.n_refused,
        seconds=seconds,
        first_token=_percentiles(record.first),
        inter_token=_percentiles(record.between),
        whole=_percentiles(record.whole),
        mean_whole=float(np.mean(record.whole)),
        inside=inside / seconds,
    )


async def _unless_one_fails(tasks: Sequence["asyncio.Task[None]"], seconds: float) -> None:
    """Wait, and raise what one of the tasks raises meanwhile."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _ask(client: Any, config: BenchConfig, seed: int, record: _Record) -> None:
    """Ask once, and read the stream to its end."""
    body = {
        "model": config.model,
        "prompt": config.prompt,
        "max_tokens": config.max_tokens,
        "seed": seed,
        "stream": True,
    }
    asked = last = time.perf_counter()
    is_first = True
    async with client.stream("POST", "/v1/completions", json=body) as response:
        if response.status_code == 429:
            record.n_refused += record.is_open
            await response.aread()
            await asyncio.sleep(float(response.headers.get("retry-after", 1)))
            return
        if response.status_code != 200:
            answer = (await response.aread()).decode(errors="replace")
            raise RuntimeError(f"the service answered {response.status_code}: {answer}")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                raise RuntimeError(f"the service failed: {event['error']['message']}")
            now = time.perf_counter()
            if record.is_open:
                (record.first if is_first else record.between).append(now - last)
            last, is_first = now, False
    if record.is_open:
        record.whole.append(time.perf_counter() - asked)


async def _counted(client: Any, model: str) -> tuple[float, float]:
    """What the service counts: tokens of the model, and seconds of what is inside, summed up."""
    text = (await client.get("/metrics")).text
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    names = (f'aigc_tokens_total{{model="{model}"}}', "aigc_inside_seconds_total")
    tokens, inside = (float(numbers.get(name, 0)) for name in names)
    return tokens, inside


def _percentiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.percentile(values or [np.nan], PERCENTS))


def _row(level: Level) -> str:
    def ms(values: tuple[float, ...]) -> str:
        return " / ".join(f"{1000 * value:.3g}" for value in values)

    return (
        f"| {level.concurrency} | {level.tokens_per_second:.0f} | {ms(level.first_token)} | "
        f"{ms(level.inter_token)} | {ms(level.whole)} | {level.n_requests} | {level.n_refused} | "
        f"{level.little:.2f} |"
    )
