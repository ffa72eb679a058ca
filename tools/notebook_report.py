"""A pytest plugin for the notebooks: longest first, within their memory, no expected failure.

Several processes share the notebooks, so the longest must not begin last. A kernel that needs more
memory than a page may take is stopped.

nbval marks the cells after a timeout or a dead kernel as xfail. Nothing in this book is expected
to fail in that way, so such a run must not pass.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from execute_pages import pages
from run_pages import KernelWatch, require_real_data

_PEAK = "peak memory of the cell (MiB)"


class MemoryLimit:
    """Watches the kernel of each notebook while its cells run."""

    def __init__(self) -> None:
        self.watches: dict[pytest.Collector, KernelWatch] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """Measure one cell, and say so where it was the memory that ended it."""
        notebook = item.parent
        if notebook not in self.watches:
            self.watches[notebook] = KernelWatch()
            self.watches[notebook].watch(notebook.kernel.km.provisioner.pid)
        watch = self.watches[notebook]
        watch.begin(item.cell_num)
        try:
            return (yield)
        finally:
            watch.record()
            item.user_properties.append((_PEAK, watch.cells[-1].peak_mib))
            if watch.exceeded:
                message = f"The kernel needed more than {watch.limit_mib:.0f} MiB and was stopped."
                item.add_report_section("call", "memory", message)

    def pytest_sessionfinish(self) -> None:
        """Look no more."""
        for watch in self.watches.values():
            watch.end()


class NotebookReport:
    """Collects the time and the memory of every cell."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.n_cells: dict[str, int] = defaultdict(int)
        self.slowest: dict[str, tuple[float, str]] = {}
        self.peak_mib: dict[str, float] = defaultdict(float)
        self.not_run: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the notebooks by their budget, the costliest first; cells keep their order."""
        order = {path: number for number, path in enumerate(pages())}
        items.sort(key=lambda item: order.get(item.path, len(order)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of one cell."""
        path = report.nodeid.partition("::")[0]
        if not path.endswith(".ipynb"):
            return
        self.seconds[path] += report.duration
        if report.when == "call":
            self.n_cells[path] += 1
            cell = report.nodeid.rpartition("::")[2]
            self.slowest[path] = max(self.slowest.get(path, (0.0, "")), (report.duration, cell))
            peaks = [float(str(v)) for name, v in report.user_properties if name == _PEAK]
            self.peak_mib[path] = max([self.peak_mib[path], *peaks])
        if hasattr(report, "wasxfail"):
            self.not_run.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run when a cell was given up."""
        if self.not_run and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the times, and the cells that were given up."""
        terminalreporter.section("time of each notebook")
        for path, seconds in sorted(self.seconds.items()):
            slowest, cell = self.slowest.get(path, (0.0, "-"))
            terminalreporter.write_line(
                f"{seconds:7.1f} s {self.peak_mib[path]:6.0f} MiB  {Path(path).stem:<24} "
                f"{self.n_cells[path]:3d} cells, "
                f"slowest {slowest:.1f} s ({cell})"
            )
        terminalreporter.write_line(f"{sum(self.seconds.values()):7.1f} s  together")
        for nodeid in self.not_run:
            terminalreporter.write_line(f"FAILED (not run, after a timeout?): {nodeid}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, after a look whether the real data are whole where they are named."""
    if os.environ.get("AIGC_TUTORIAL_DATA"):
        require_real_data()
    config.pluginmanager.register(NotebookReport(), "notebook-report")
    config.pluginmanager.register(MemoryLimit(), "notebook-memory-limit")
