"""Measure what each page costs to run, and write ``book/budgets.json``.

Each notebook runs in a fresh kernel on two CPU cores. A page that loads data is measured twice:
``offline``, as for a reader without a network, who gets the substitutes that come with the
packages, and ``full``, with the real data. Recorded are time and peak memory of each condition with
the day and the machine, and the size of the downloads that the page names (notebook metadata
``aigc: {downloads: [catalogue names]}``).
"""

import argparse
import datetime
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any, get_args

from clean_notebooks import notebooks
from run_pages import (
    Condition,
    PageRun,
    chosen_pages,
    conditions_of,
    downloads_of,
    environment_of,
    report,
    run_page,
)

ROOT = Path(__file__).resolve().parent.parent
BUDGETS = ROOT / "book" / "budgets.json"
N_CORES = 2


def machine() -> str:
    """Return the processor's name and the number of cores used."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        name = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), name
        )
    return f"{N_CORES} cores of {name}, Python {platform.python_version()}"


def use_two_cores() -> None:
    """Keep this process and the kernels it starts to two cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:N_CORES]))
    os.environ["OMP_NUM_THREADS"] = str(N_CORES)


def download_mebibytes(names: list[str]) -> float:
    """Return the size of the named resources of the data catalogue, in MiB."""
    from aigc_tutorial.data import catalogue

    entries = [
        entry
        for value in vars(catalogue).values()
        for entry in (value if isinstance(value, tuple) else [value])
    ]
    by_name = {entry.name: entry for entry in entries if isinstance(entry, catalogue.Resource)}
    unknown = sorted(set(names) - set(by_name))
    if unknown:
        sys.exit(f"Not in the data catalogue: {unknown}. There are: {sorted(by_name)}")
    return sum(by_name[name].n_bytes_download for name in names) / 2**20


def entry_of(run: PageRun) -> dict[str, Any]:
    """Return what is recorded of a run."""
    return {
        "seconds": round(run.seconds, 1),
        "peak_memory_mib": round(run.peak_mib),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    }


def write(budgets: dict[str, dict[str, Any]]) -> None:
    """Replace the file; killed at any moment, the old or the new one is whole."""
    temporary = BUDGETS.with_suffix(".tmp")
    text = json.dumps(dict(sorted(budgets.items())), indent=2, ensure_ascii=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, BUDGETS)


def main() -> int:
    """Measure all pages, or those named; a page that fails keeps its entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="names without ending; default: all")
    parser.add_argument("--condition", choices=get_args(Condition), help="default: both")
    arguments = parser.parse_args()
    chosen = chosen_pages(arguments.pages)
    use_two_cores()
    budgets = json.loads(BUDGETS.read_text(encoding="utf-8")) if BUDGETS.is_file() else {}
    pages = {path.stem for path in notebooks()}
    budgets = {name: entry for name, entry in budgets.items() if name in pages}
    failed = []
    for condition in [arguments.condition] if arguments.condition else get_args(Condition):
        paths = [path for path in chosen if condition in conditions_of(path)]
        environment = environment_of(condition) if paths else {}
        for path in paths:
            run = run_page(path, environment)
            report(f"{path.stem} ({condition})", run)
            if run.failure is not None:
                failed.append(path.stem)
                continue
            before = budgets.get(path.stem, {})
            budgets[path.stem] = {
                "download_mib": round(download_mebibytes(downloads_of(path)), 1),
                **{name: before[name] for name in conditions_of(path) if name in before},
                condition: entry_of(run),
            }
            write(budgets)
    print(f"Written to {BUDGETS.relative_to(ROOT)}")
    if failed:
        print(f"Not measured, since they failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
