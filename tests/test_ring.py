"""The recorded runs on a ring say what page 3.2.1 reports of them."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def ring(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("ring"), importlib.import_module("recording")


def test_the_committed_table_is_that_of_the_recorded_runs(ring):
    ring, recording = ring
    table = ring.RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert table == ring.tables(recording.recorded(ring.RESULTS))


def test_narrow_heaps_are_found_and_filled_more_evenly_with_the_companions(ring):
    ring, recording = ring
    rows = {row["std"]: row for row in recording.recorded(ring.RESULTS)["widths"]["rows"]}
    assert set(rows) == {0.05, 0.1, 0.2}
    for row in rows.values():
        assert row["recipe"]["found"] == row["plain"]["found"] == [8, 8, 8]
    for std, low, high in ((0.05, 0.24, 0.38), (0.1, 0.47, 0.6)):
        assert all(
            low < share < high for kind in ("recipe", "plain") for share in rows[std][kind]["good"]
        )
        uneven = rows[std]["plain"]["unevenness"], rows[std]["recipe"]["unevenness"]
        assert min(uneven[0]) > max(uneven[1])
        assert 2 < sum(uneven[0]) / sum(uneven[1]) < 3


def test_both_trainings_run_on_heaps_of_any_width(ring, monkeypatch):
    ring, _ = ring
    monkeypatch.setattr(ring, "N_STEPS", 2)
    monkeypatch.setattr(ring, "WIDTHS", (0.1,))
    (row,) = ring.measure_widths([0, 1])["rows"]
    assert row["std"] == 0.1
    assert len(row["recipe"]["found"]) == len(row["plain"]["good"]) == 2
