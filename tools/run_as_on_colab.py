"""Run pages with the packages of Google Colab: in its image, or in an environment like it.

It is run by the Python that Colab has, so it imports only what Colab brings.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 900  # seconds of a cell
N_WORKERS_AT_MOST = 8


def pages(names: list[str]) -> list[Path]:
    """Return the notebooks of these names, or all; ``widgets`` stands for those with widgets."""
    found = sorted((ROOT / "book").glob("*.ipynb"))
    if not names:
        return found
    chosen = [
        path
        for path in found
        if path.stem in names
        or ("widgets" in names and "viz.widgets." in path.read_text(encoding="utf-8"))
    ]
    if unknown := set(names) - {path.stem for path in found} - {"widgets"}:
        sys.exit(f"There is no page {', '.join(sorted(unknown))} in {ROOT / 'book'}.")
    return chosen


def execute(path: Path) -> tuple[str, float, str]:
    """Run a page; return its name, the seconds and the error, empty if there was none."""
    start = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=TIMEOUT, resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        client.execute()
    except Exception as error:  # a failing cell, a dead kernel: told, and the next page runs
        return path.stem, time.monotonic() - start, f"{type(error).__name__}: {error}"
    return path.stem, time.monotonic() - start, "\n".join(warnings_of(notebook))


def warnings_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what cells wrote about deprecation: what Colab's next versions refuse."""
    return [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr" and "DeprecationWarning" in output.text
    ]


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(names: list[str]) -> int:
    """Run pages, several at a time; return 1 if one failed."""
    waiting = pages(names)
    n_workers = min(n_cores(), len(waiting), N_WORKERS_AT_MOST)
    os.environ |= {
        "COLAB_RELEASE_TAG": "imitation",  # by which the package knows Colab
        "OMP_NUM_THREADS": str(max(1, n_cores() // n_workers)),
        "PYTHONNOUSERSITE": "1",
    }
    print(f"Running {len(waiting)} pages as on Colab, {n_workers} at a time.", flush=True)
    failed = []
    with ProcessPoolExecutor(n_workers) as pool:
        for future in as_completed([pool.submit(execute, path) for path in waiting]):
            name, seconds, error = future.result()
            print(f"{seconds:6.0f} s  {name} {'failed' if error else 'done'}", flush=True)
            if error:
                failed.append(name)
                print(error, file=sys.stderr, flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "Every page ran.")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
