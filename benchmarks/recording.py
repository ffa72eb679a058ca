"""What the benchmarks share: their command line, the record of a run, processes of their own."""

import argparse
import dataclasses
import datetime
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from aigc_tutorial import zoo
from aigc_tutorial.files import replace_file

ResultT = TypeVar("ResultT")
Results = dict[str, Any]


def recorded(path: Path) -> Results:
    """Results so far, by part."""
    return json.loads(path.read_text()) if path.exists() else {}


def run_parts(
    path: Path,
    measure: Mapping[str, Callable[[list[int]], Results]],
    as_tables: Callable[[Results], str],
    description: str,
) -> None:
    """Measure the parts that the command line asks for, and record each as it ends.

    Args:
        path: of the JSON file; the tables go beside it. The script is called as the file is.
        measure: what there is to measure; takes the seeds.
        as_tables: makes Markdown of all results.
        description: one line, for ``--help``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(measure))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if unknown := set(options.parts) - set(measure):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(measure)}")
    for part in options.parts or measure:
        print(f"measuring {part}", flush=True)
        started = time.perf_counter()
        words = [f"python benchmarks/{path.stem}.py", part, "--seeds", *map(str, options.seeds)]
        result = {
            "seeds": options.seeds,
            "command": " ".join(words),
            "machine": dataclasses.asdict(zoo.Machine.here()),
            "date": datetime.date.today().isoformat(),
        } | measure[part](options.seeds)
        result["minutes"] = round((time.perf_counter() - started) / 60, 1)
        results = recorded(path) | {part: result}  # read again: another part may have ended
        with replace_file(path) as temporary:
            temporary.write_text(json.dumps(results, indent=2) + "\n")
        with replace_file(path.with_suffix(".md")) as temporary:
            temporary.write_text(as_tables(results))
    print(as_tables(recorded(path)))


def in_own_process(function: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """Call in a fresh process, where threads, memory and modules are as that function sets them."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def protocol(result: Results) -> str:
    """One line on how a part was measured, and a remark where the record needs one."""
    machine = result["machine"]
    remark = f" {result['remark']}" if "remark" in result else ""
    return (
        f"{result['unit']}; seeds {result['seeds']}; `{result['command']}`; "
        f"{machine['processor']}, {machine['n_cores']} cores, torch {machine['torch']}, "
        f"Python {machine['python']}; {result['date']}.{remark}"
    )
