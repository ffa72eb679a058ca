"""Networks and games compared at equal tuning: the rule, the record, and the page that shows it."""

import importlib
import json
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def game(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("gan_game")


def test_the_committed_table_is_that_of_the_recorded_runs(game):
    results = json.loads(game.RESULTS.read_text())
    assert game.as_tables(results) == game.RESULTS.with_suffix(".md").read_text()


def test_the_page_shows_the_recorded_runs(game):
    results = json.loads(game.RESULTS.read_text())
    page = json.loads((ROOT / "book" / "04_3_mnist_case.ipynb").read_text(encoding="utf-8"))
    text = "".join("".join(cell["source"]) for cell in page["cells"])
    for part, result in results.items():
        each = [run["frechet"] for run in result["runs"]]
        row = f"{', '.join(f'{value:,.0f}' for value in each)} | {statistics.mean(each):,.0f} |"
        assert row in text, part


@pytest.mark.parametrize(
    ("best", "n_tried"),
    [(6e-4, 3), (1.8e-3, 4), (5.4e-3, 5)],
)
def test_rates_are_tried_until_the_best_lies_inside(game, monkeypatch, tmp_path, best, n_tried):
    """And fresh seeds judge it."""
    seeds = []

    def run(recipe, seed):
        seeds.append(seed)
        rate = recipe.training.learning_rate_generator
        return {"frechet": abs(rate / best - 1)}

    monkeypatch.setattr(game, "run", run)
    monkeypatch.setattr(game, "RESULTS", tmp_path / "none.json")
    monkeypatch.setattr(game, "tune_cpu", lambda: None)
    result = game.measure("dense-plain", [0, 1])
    assert result["rate"] == pytest.approx(best)
    assert seeds == [game.CHOOSING_SEED] * n_tried + [0, 1]


def test_one_thing_changes_from_part_to_part(game):
    dense, mixed, conv = (game.PARTS[f"{name}-recipe"] for name in ("dense", "mixed", "conv"))
    assert dense.training == mixed.training == conv.training
    assert dense.loss is mixed.loss is conv.loss
    assert dense.generator_config == mixed.generator_config
    assert mixed.discriminator_config == conv.discriminator_config
    plain = game.PARTS["dense-plain"]
    assert plain.generator_config == dense.generator_config
    assert plain.discriminator_config == dense.discriminator_config
    assert plain.training.batch_size == dense.training.batch_size
