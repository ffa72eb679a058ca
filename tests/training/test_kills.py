"""Runs that are killed at random moments, in small; ``make kills`` does it fifty times."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = ("runs", "kills", "kills while saving")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
def test_killed_runs_end_with_the_same_bits():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "benchmarks/kill_runs.py", "--runs", "4", "--no-record"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("the same bits") == 4
    assert sum(map(int, re.findall(r"'kills': (\d+)", ended.stdout))) >= 1


def test_the_committed_table_is_that_of_the_recorded_runs_and_most_were_killed_while_saving(
    monkeypatch,
):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    script = importlib.import_module("kill_runs")
    result = script.recorded(script.RESULTS)
    assert script.as_table(result) == script.RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    counts = {name: sum(row[name] for row in result["table"].values()) for name in ROW}
    assert counts["runs"] >= 50
    assert counts["kills"] >= 50
    assert counts["kills while saving"] > counts["kills"] / 2
