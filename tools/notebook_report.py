"""A pytest plugin for the notebooks: the longest first, times by notebook, no expected failure.

Several processes share the notebooks, so the longest must not begin last.

nbval marks the cells after a timeout or a dead kernel as xfail. Nothing in this book is expected
to fail in that way, so such a run must not pass.
"""

from collections import defaultdict
from pathlib import Path

import pytest
from execute_pages import pages


class NotebookReport:
    """Collects the time of every cell."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.n_cells: dict[str, int] = defaultdict(int)
        self.slowest: dict[str, tuple[float, str]] = {}
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
                f"{seconds:7.1f} s  {Path(path).stem:<24} {self.n_cells[path]:3d} cells, "
                f"slowest {slowest:.1f} s ({cell})"
            )
        terminalreporter.write_line(f"{sum(self.seconds.values()):7.1f} s  together")
        for nodeid in self.not_run:
            terminalreporter.write_line(f"FAILED (not run, after a timeout?): {nodeid}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin."""
    config.pluginmanager.register(NotebookReport(), "notebook-report")
