"""The searches for a recipe: changes by name, and a table that says what was recorded."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(params=["ar_search", "gan_search"])
def search(request, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module(request.param).SEARCH


def test_the_committed_table_is_that_of_the_recorded_runs(search):
    entries = [json.loads(line) for line in search.results.read_text().splitlines()]
    assert search.table(entries) == search.results.with_suffix(".md").read_text()


def test_changes_are_made_and_described(search):
    changed = search.changed({"training.batch_size": "7"})
    assert changed.training == dataclasses.replace(search.recipe.training, batch_size=7)
    assert "training.batch_size=7" in search.described(changed)
    assert search.described(search.start) == "the starting point"


@pytest.mark.parametrize("name", ["training.batchsize", "batch_size", "trainer.batch_size", "loss"])
def test_unknown_settings_are_refused(name, search):
    with pytest.raises(ValueError, match=f"there is no setting {name}=7"):
        search.changed({name: "7"})


def test_a_run_is_recorded_and_the_table_written(search, tmp_path):
    short = dataclasses.replace(
        search,
        results=tmp_path / "runs.jsonl",
        load=lambda: "the data",
        measure=lambda recipe, data, budget, seed, precision: {"value": budget + seed},
        table=lambda entries: f"{[entry['value'] for entry in entries]}",
    )
    short.main("", ["--seeds", "1", "2", f"--{search.unit}", "10"])
    recorded = [json.loads(line) for line in short.results.read_text().splitlines()]
    assert [entry["seed"] for entry in recorded] == [1, 2]
    assert {entry[f"n_{search.unit}"] for entry in recorded} == {10}
    assert (tmp_path / "runs.md").read_text() == "[11, 12]"
