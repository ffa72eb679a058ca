"""The service under 1 to 64 clients, with batching and without, side by side.

``python benchmarks/service.py``: two services of the zoo's ``shakespeare-characters`` run in
processes of their own, one that writes up to 16 texts in a batch and one that writes them one after
the other. For each number of clients they are asked in turns, so that both feel what else the
machine does. The client is a third process.
"""

import argparse
import dataclasses
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from recording import recorded

from aigc_tutorial import zoo
from aigc_tutorial.deploy.service import BenchConfig, Level, Report, bench
from aigc_tutorial.files import replace_file

RESULTS = Path(__file__).parent / "results" / "service.json"
BATCHES = {"batches of up to 16": 16, "one after the other": 1}
SERVE = """
from aigc_tutorial.deploy import service
limits = service.Limits(max_batch={max_batch}, max_queue=128, max_rows=1)
service.serve(service.ServiceConfig(models=("{model}",), port=0, limits=limits))
"""


@contextmanager
def serving(model: str, max_batch: int) -> Iterator[str]:
    """Run a service in a process of its own, and yield its address."""
    with tempfile.NamedTemporaryFile("r") as log:
        program = SERVE.format(model=model, max_batch=max_batch)
        process = subprocess.Popen([sys.executable, "-c", program], stderr=open(log.name, "w"))  # noqa: SIM115
        try:
            while not (found := re.search(r"running on (http://\S+)", log.read())):
                if process.poll() is not None:
                    sys.exit(f"the service did not start: {Path(log.name).read_text()}")
                log.seek(0)
                time.sleep(0.1)
            yield found[1]
        finally:
            process.terminate()
            process.wait()


def measure(config: BenchConfig) -> dict[str, Report]:
    """Ask both services in turns, for each number of clients."""
    levels: dict[str, list[Level]] = {name: [] for name in BATCHES}
    with ExitStack() as stack:
        urls = {
            name: stack.enter_context(serving(config.model, max_batch))
            for name, max_batch in BATCHES.items()
        }
        for n_clients in config.concurrency:
            for name, url in urls.items():
                asked = dataclasses.replace(config, url=url, concurrency=(n_clients,))
                levels[name] += bench(asked).levels
                print(f"{name}: {levels[name][-1]}", flush=True)
    return {name: Report(tuple(found)) for name, found in levels.items()}


def as_markdown(result: dict[str, Any]) -> str:
    """Both tables, what one gains, and how it was measured."""
    reports = {
        name: Report(tuple(Level(**level) for level in levels))
        for name, levels in result["levels"].items()
    }
    together, alone = (reports[name].levels for name in BATCHES)
    gains = ", ".join(
        f"{a.concurrency}: {a.tokens_per_second / b.tokens_per_second:.2f}"
        for a, b in zip(together, alone, strict=True)
    )
    config, machine = result["config"], result["machine"]
    lines = [
        "# The service, with batching and without",
        "",
        f"`{config['model']}`, {config['max_tokens']} new tokens a request at temperature 1, each "
        "client asking again at once. Times as 50 / 95 / 99 %. L / λW is Little's law: what the "
        "service counts inside, over the rate of requests times their mean time; the way there and "
        "back is in that time and not inside.",
        "",
    ]
    for name, report in reports.items():
        lines += [f"## {name.capitalize()}", "", report.as_table(), ""]
    lines += [
        f"Tokens a second with batching over those without, by clients: {gains}.",
        "",
        "![Throughput and times against clients](service.png)",
        "",
        f"`{result['command']}`; {config['seconds']:g} s or more a measurement, seeds from "
        f"{config['seed']} on; {machine['processor']}, {machine['n_cores']} cores, which the two "
        f"services, the client and others share: at the end {result['load']:g} processes wanted "
        "them (load average of five minutes), so single numbers are no more than their order of "
        f"magnitude; torch {machine['torch']}, Python {machine['python']}; {result['date']}.",
        "",
    ]
    return "\n".join(lines)


def draw(reports: dict[str, Report], path: Path) -> None:
    """Draw both into one figure."""
    from aigc_tutorial.viz.style import save_figure

    axes = None
    for name, report in reports.items():
        axes = report.plot(name, axes)
    if axes is not None:
        save_figure(axes[0], path)


def main() -> None:
    """Measure, and record the result unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of a request")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--no-record", action="store_true", help="print the result alone")
    options = parser.parse_args()
    config = BenchConfig(
        seconds=options.seconds,
        max_tokens=options.tokens,
        concurrency=tuple(options.clients),
    )
    reports = measure(config)
    result = {
        "command": " ".join(["python benchmarks/service.py", *sys.argv[1:]]),
        "machine": dataclasses.asdict(zoo.Machine.here()),
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[1], 1),
        "config": vars(config),
        "levels": {
            name: [vars(level) for level in report.levels] for name, report in reports.items()
        },
    }
    if not options.no_record:
        with replace_file(RESULTS) as path:
            path.write_text(json.dumps(recorded(RESULTS) | result, indent=2) + "\n")
        with replace_file(RESULTS.with_suffix(".md")) as path:
            path.write_text(as_markdown(result))
        draw(reports, RESULTS.with_suffix(".png"))
    print(as_markdown(result))


if __name__ == "__main__":
    main()
