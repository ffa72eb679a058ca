"""The recorded comparison of the outlook is what its script would write."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("apps_outlook")


def test_the_committed_table_is_that_of_the_recorded_runs(script):
    results = json.loads(script.RESULTS.read_text())
    assert script.as_tables(results) == script.RESULTS.with_suffix(".md").read_text()


def test_every_seed_has_every_way(script):
    runs = json.loads(script.RESULTS.read_text())["lesions"]["by_seed"].values()
    assert len(runs) >= 5
    assert len({tuple(run["ways"]) for run in runs}) == 1
