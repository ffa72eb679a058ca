"""Run pages with or without the real data; print the time and peak memory of each.

The condition ``offline`` is that of a reader without a network: no data folder, an empty cache, no
download. In ``full`` a page gets the real data, from ``AIGC_TUTORIAL_DATA`` or from the cache.

A page that needs more memory than its limit is stopped, one whose kernel dies is given up, and both
are named with the cell in which it happened. The other pages run on: each has a kernel of its own.
"""

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import nbformat
import psutil
from clean_notebooks import notebooks
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

ROOT = Path(__file__).resolve().parent.parent
Condition = Literal["offline", "full"]
MEMORY_LIMIT_MIB = 4096
SECONDS_CELL = 900
_SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class CellCost:
    """What one cell took.

    Attributes:
        index: its place among all cells of the notebook, from 0.
        seconds: wall time.
        peak_mib: highest resident memory of the kernel while it ran, in MiB.
    """

    index: int
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class PageRun:
    """How one run of a page went.

    Attributes:
        notebook: with the outputs of the cells that ran.
        seconds: what it takes on a quiet machine: wall time, or the kernel's processor time where
            that is less, because other work held the page up.
        peak_mib: highest resident memory of the kernel, in MiB.
        cells: the cells that were begun, in order.
        failure: None, or the cell and what went wrong there.
    """

    notebook: Any
    seconds: float
    peak_mib: float
    cells: tuple[CellCost, ...]
    failure: str | None


@dataclass
class KernelWatch:
    """Looks at a kernel's memory in a thread and kills the kernel at the limit.

    Attributes:
        limit_mib: resident memory that the kernel may have, in MiB.
        process: the kernel, once it is known.
        cells: what each cell took, in order.
        exceeded: whether the kernel was killed.
        processor_seconds: of the kernel, since it began.
    """

    limit_mib: float = MEMORY_LIMIT_MIB
    process: psutil.Process | None = None
    cells: list[CellCost] = field(default_factory=list)
    exceeded: bool = False
    processor_seconds: float = 0.0
    _index: int | None = None
    _started: float = 0.0
    _peak: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self, process_id: int) -> None:
        """Begin to look at this process."""
        self.process = psutil.Process(process_id)
        threading.Thread(target=self._look_on, daemon=True).start()

    def begin(self, index: int) -> None:
        """Record the cell before, and begin to count for this one."""
        self.record()
        self._index, self._started, self._peak = index, time.monotonic(), 0.0

    def end(self) -> None:
        """Record the last cell and look no more."""
        self.record()
        self._ended.set()

    def record(self) -> None:
        """Enter what the cell that was begun took."""
        self._look()
        if self._index is not None:
            seconds = time.monotonic() - self._started
            self.cells.append(CellCost(self._index, seconds, self._peak))
        self._index = None

    def _look_on(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()
            if self._peak > self.limit_mib and self.process is not None:
                self.exceeded = True
                self.process.kill()
                return

    def _look(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(psutil.Error):  # it may just have ended
            self._peak = max(self._peak, self.process.memory_info().rss / 2**20)
            times = self.process.cpu_times()
            self.processor_seconds = times.user + times.system


def environment_of(condition: Condition) -> dict[str, str]:
    """Return the environment variables of a page's kernel. In neither condition it downloads.

    For ``full`` the process exits if the real data are neither in a folder nor in the cache.
    """
    environment = {**os.environ, "AIGC_TUTORIAL_OFFLINE": "1"}
    if condition == "full":
        require_real_data()
        return environment
    environment.pop("AIGC_TUTORIAL_DATA", None)
    return {**environment, "AIGC_TUTORIAL_CACHE": str(ROOT / ".cache" / "stranger")}


def require_real_data() -> None:
    """Exit unless all that the pages load is there.

    A page that lacks a file takes its substitute; then ``full`` would not be what it says.
    """
    from aigc_tutorial.data import catalogue
    from aigc_tutorial.data.fetch import cache_folder, data_folder

    loaded = {name for path in notebooks() for name in downloads_of(path)}
    folders = [folder for folder in (data_folder(), cache_folder()) if folder is not None]
    lacking = [
        resource.name
        for resource in vars(catalogue).values()
        if isinstance(resource, catalogue.Resource)
        and resource.name in loaded
        and not any((folder / resource.filename).is_file() for folder in folders)
    ]
    if lacking:
        sys.exit(
            f"The real data are not all there: {', '.join(lacking)} lacking. Set "
            "AIGC_TUTORIAL_DATA to their folder, or run a page that loads them once with a network."
        )


def downloads_of(path: Path) -> list[str]:
    """Return the catalogue's names of the files that a page loads, from its metadata."""
    notebook = nbformat.read(path, as_version=4)
    names: list[str] = notebook.metadata.get("aigc", {}).get("downloads", [])
    return names


def conditions_of(path: Path) -> tuple[Condition, ...]:
    """Return the conditions that differ for a page: one that loads no data has the first alone."""
    return ("offline", "full") if downloads_of(path) else ("offline",)


def run_page(
    path: Path,
    environment: Mapping[str, str] | None = None,
    *,
    seconds_cell: int = SECONDS_CELL,
    limit_mib: float = MEMORY_LIMIT_MIB,
) -> PageRun:
    """Run one notebook in its folder, in a fresh kernel; a failure is told, not raised.

    What a cell prints piece by piece is put together here. Otherwise MyST-NB does it, and ends
    every piece with a new line.

    Args:
        path: of the notebook.
        environment: variables of the kernel; by default those of this process.
        seconds_cell: after so many seconds a cell is given up.
        limit_mib: resident memory above which the kernel is killed.
    """
    watch = KernelWatch(limit_mib)
    notebook = nbformat.read(path, as_version=4)

    def notebook_started(**_: Any) -> None:
        kernel: Any = client.km
        watch.watch(kernel.provisioner.pid)

    def cell_started(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            watch.begin(cell_index)

    client = NotebookClient(
        notebook,
        timeout=seconds_cell,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,  # times in the cells would change their key in the notebook cache
        resources={"metadata": {"path": str(path.parent)}},
        on_notebook_start=notebook_started,
        on_cell_start=cell_started,
    )
    failure = None
    start = time.monotonic()
    try:
        client.execute(env=dict(os.environ if environment is None else environment))
    except CellTimeoutError:
        failure = f"took more than {seconds_cell} s"
    except CellExecutionError as error:
        failure = f"failed:\n{error}"
    except RuntimeError as error:  # DeadKernelError, or a kernel that did not even start
        failure = (
            f"needed more than {limit_mib:.0f} MiB of memory and was stopped"
            if watch.exceeded
            else f"lost its kernel, which crashed or found no memory left ({error})"
        )
    finally:
        watch.end()
    seconds = min(time.monotonic() - start, watch.processor_seconds)
    if failure is not None:
        place = f"[{watch.cells[-1].index}]" if watch.cells else "before its first cell:"
        failure = f"{path.stem} {place} {failure}"
    peak = max((cell.peak_mib for cell in watch.cells), default=0.0)
    return PageRun(notebook, seconds, peak, tuple(watch.cells), failure)


def chosen_pages(names: Sequence[str]) -> list[Path]:
    """Return the named notebooks, or all; exit with the list when one is unknown."""
    by_name = {path.stem: path for path in notebooks()}
    if unknown := sorted(set(names) - set(by_name)):
        sys.exit(f"No such page: {unknown}. There are: {sorted(by_name)}")
    return [by_name[name] for name in names] or list(by_name.values())


def report(name: str, run: PageRun, n_costliest: int = 0) -> None:
    """Print one line for a page, and one for each of the cells that cost most time or memory."""
    outcome = "done" if run.failure is None else "FAILED"
    print(f"{run.seconds:6.0f} s {run.peak_mib:6.0f} MiB  {name} {outcome}", flush=True)
    slowest = sorted(run.cells, key=lambda cell: -cell.seconds)[:n_costliest]
    largest = sorted(run.cells, key=lambda cell: -cell.peak_mib)[:n_costliest]
    for cell in sorted({*slowest, *largest}, key=lambda cell: cell.index):
        print(f"    [{cell.index}] {cell.seconds:.1f} s, {cell.peak_mib:.0f} MiB", flush=True)
    if run.failure is not None:
        print(run.failure, file=sys.stderr, flush=True)


def main() -> int:
    """Run the pages that differ in a condition, or those named, and say which did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("condition", choices=get_args(Condition))
    parser.add_argument(
        "pages", nargs="*", help="names without ending; default: those that the condition concerns"
    )
    parser.add_argument("--workers", type=int, default=1, help="pages at a time; default 1")
    parser.add_argument("--costliest", type=int, default=0, help="cells to print of each page")
    arguments = parser.parse_args()
    environment = environment_of(arguments.condition)
    paths = chosen_pages(arguments.pages)
    if not arguments.pages:
        paths = [path for path in paths if arguments.condition in conditions_of(path)]
    failed = []
    with ThreadPoolExecutor(arguments.workers) as pool:
        runs = {pool.submit(run_page, path, environment): path.stem for path in paths}
        for future in as_completed(runs):
            name, run = runs[future], future.result()
            report(name, run, arguments.costliest)
            if run.failure is not None:
                failed.append(name)
    print(f"Condition {arguments.condition}: {len(runs) - len(failed)} of {len(runs)} pages hold.")
    if failed:
        print(f"These do not: {', '.join(sorted(failed))}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
