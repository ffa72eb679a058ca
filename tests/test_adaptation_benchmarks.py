"""The recorded comparisons of adaptation and of searches are what the scripts would write."""

import importlib
from pathlib import Path

import pytest
import torch

from aigc_tutorial import adaptation
from tests.ar.small_models import make

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(params=["adaptation", "apps_news", "apps_recommend", "search_methods"])
def script(request, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    # By its path: the package has a room of the same name.
    return importlib.import_module(request.param), importlib.import_module("recording")


def test_the_committed_tables_are_those_of_the_recorded_runs(script):
    script, recording = script
    table = script.RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert table == script.tables(recording.recorded(script.RESULTS))


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("adaptation")


def test_f1_is_scikit_learns_mean_over_the_classes(benchmark):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (60,), generator=rng)
    probabilities = torch.rand(60, 4, generator=rng)  # one class is nobody's
    found = benchmark.scores(probabilities, labels)
    named = probabilities.argmax(1)
    expected = metrics.f1_score(labels, named, average="macro", labels=range(4), zero_division=0)
    assert found["f1"] == pytest.approx(expected, abs=1e-4)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, named), abs=1e-4)


def test_a_frozen_backbone_keeps_little_for_the_backward_pass(benchmark):
    rows = torch.zeros(16, 6, dtype=torch.int64), torch.ones(16, 6).bool(), torch.zeros(16).long()
    full = adaptation.Classifier(make("gpt-2"), 2)
    head = adaptation.Classifier(make("gpt-2").requires_grad_(False), 2)
    kept = benchmark.kept_for_backward(full, rows), benchmark.kept_for_backward(head, rows)
    # The head keeps its input, 16 x 8 numbers, and the softmax of 16 x 2.
    assert 4 * 16 * 8 <= kept[1] < 3_000
    assert kept[0] > 20 * kept[1]


def test_the_parts_drawn_from_a_set_do_not_overlap(benchmark):
    texts = [str(i) for i in range(20)], torch.arange(20)
    first, rest = benchmark.draw(texts, 8, torch.Generator().manual_seed(0))
    assert len(first[0]) == 8
    assert sorted(first[0] + rest[0], key=int) == texts[0]
    assert [int(text) for text in first[0]] == first[1].tolist()


@pytest.mark.parametrize("at", [0, 1, 4, 9])
def test_a_row_of_settings_is_made_longer_until_the_best_is_no_end_of_it(at, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    tuned = importlib.import_module("apps_recommend").tuned
    options = range(10)
    best, tried = tuned(lambda option: -abs(option - at), options, (4, 5))
    assert best == at
    assert {at - 1, at, at + 1} & set(options) <= set(tried)
    assert len(tried) < 10 or at == 9  # and no more than it takes
