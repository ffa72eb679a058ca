"""Comparisons at equal tuning: how a rate is chosen, and a table that says what was recorded."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def fair(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("ar_fair")


def test_the_committed_table_is_that_of_the_recorded_runs(fair):
    results = json.loads(fair.RESULTS.read_text())
    assert fair.as_tables(results) == fair.RESULTS.with_suffix(".md").read_text()


def test_all_networks_have_the_same_number_of_weights_and_trials(fair, monkeypatch):
    seen = {}
    monkeypatch.setattr(fair, "compare", lambda sides, seeds: seen.update(sides) or {})
    fair.networks_by_adamw([0])
    sizes = [
        sum(p.numel() for p in model_class(config).parameters())
        for model_class, config, *_ in seen.values()
    ]
    assert max(sizes) < 1.03 * min(sizes)
    assert len(fair.ADAMW_RATES) == len(fair.MUON_RATES)


def test_one_text_chooses_and_another_judges_fresh_runs(fair, monkeypatch):
    """The rate that looks best where it is chosen is judged, be it the worst where it is judged."""

    def run(model_class, config, training, seed, n_unique=0):
        rate = training.learning_rate_matrices
        return abs(rate - 0.02), (10 * rate + seed) * (seed != fair.CHOOSING_SEED), 7

    monkeypatch.setattr(fair, "run", run)
    result = fair.compare({"side": (object, None, fair.MUON, (0.01, 0.02, 0.04))}, [1, 2])
    assert result["rows"]["side"]["rate"] == 0.02
    assert result["rows"]["side"]["nats"] == [1.2, 2.2]
    assert fair.CHOOSING_SEED not in (0, 1, 2)


def test_adamw_moves_everything_at_the_rate_and_muon_its_matrices(fair):
    assert fair.with_rate(fair.ADAMW, 0.5) == dataclasses.replace(
        fair.ADAMW, learning_rate_matrices=0.5, learning_rate_others=0.5
    )
    assert fair.with_rate(fair.MUON, 0.5) == dataclasses.replace(
        fair.MUON, learning_rate_matrices=0.5
    )


def test_less_text_comes_from_all_over_it_and_is_a_part_of_more(fair):
    text = torch.arange(64 * 100 + 1)
    few, many = (fair.spread(text, n_tokens, seed=0) for n_tokens in (640, 3_200))
    assert few.shape == (10, 65)
    assert torch.equal(few, many[:10])
    assert (few.diff(dim=1) == 1).all()  # each a piece of the text
    assert len(many[:, 1:].unique()) == 3_200  # no token is predicted twice
    assert few.max() - few.min() > len(text) // 2
    assert not torch.equal(few, fair.spread(text, 640, seed=1))
