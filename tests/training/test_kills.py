"""Runs that are killed at random moments, in small; ``make kills`` does it fifty times."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
