"""Measure what each page costs to run, and write ``book/budgets.json``.

Each notebook runs in a fresh kernel on two CPU cores, as for a reader without a network. Recorded
are the wall time of all its cells, the kernel's peak memory, the size of the downloads that the
page names (notebook metadata ``aigc: {downloads: [catalogue names]}``), the day and the machine.
The kernel's memory is read with the ``resource`` module: Linux and macOS.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from clean_notebooks import notebooks
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
BUDGETS = ROOT / "book" / "budgets.json"
N_CORES = 2
N_SECONDS_CELL = 900
READ_MEMORY = (
    "import resource as _r, sys as _s\n"
    "_peak = _r.getrusage(_r.RUSAGE_SELF).ru_maxrss\n"
    "print(_peak / (1024**2 if _s.platform == 'darwin' else 1024))"
)


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

    by_name = {
        resource.name: resource
        for resource in vars(catalogue).values()
        if isinstance(resource, catalogue.Resource)
    }
    unknown = sorted(set(names) - set(by_name))
    if unknown:
        sys.exit(f"Not in the data catalogue: {unknown}. There are: {sorted(by_name)}")
    return sum(by_name[name].n_bytes_download for name in names) / 2**20


def measure(path: Path) -> dict[str, Any]:
    """Run one notebook and return its entry."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(READ_MEMORY))
    client = NotebookClient(
        notebook,
        timeout=N_SECONDS_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.monotonic()
    client.execute()
    seconds = time.monotonic() - start
    peak = float(notebook.cells[-1].outputs[0]["text"])
    return {
        "seconds": round(seconds, 1),
        "peak_memory_mib": round(peak),
        "download_mib": round(
            download_mebibytes(notebook.metadata.get("aigc", {}).get("downloads", [])), 1
        ),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    }


def main() -> int:
    """Measure all pages, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="names without ending; default: all")
    wanted = parser.parse_args().pages
    by_name = {path.stem: path for path in notebooks()}
    unknown = sorted(set(wanted) - set(by_name))
    if unknown:
        sys.exit(f"No such page: {unknown}. There are: {sorted(by_name)}")
    use_two_cores()
    budgets = json.loads(BUDGETS.read_text(encoding="utf-8")) if BUDGETS.is_file() else {}
    budgets = {name: entry for name, entry in budgets.items() if name in by_name}
    for name in wanted or by_name:
        print(f"{name} ... ", end="", flush=True)
        budgets[name] = measure(by_name[name])
        print(f"{budgets[name]['seconds']} s, {budgets[name]['peak_memory_mib']} MiB")
        temporary = BUDGETS.with_suffix(".tmp")
        text = json.dumps(dict(sorted(budgets.items())), indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, BUDGETS)
    print(f"Written to {BUDGETS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
