"""Nearest neighbours against brute force, and copies that were planted."""

import pytest
import torch

from aigc_tutorial.evaluation import copy_report, nearest_neighbours


def normal(n: int, seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def test_equals_brute_force():
    queries, reference = normal(37, 0, 3, 4, 4), normal(101, 1, 3, 4, 4)
    found = nearest_neighbours(queries, reference, k=5, batch_size=10)
    distances = torch.cdist(queries.flatten(1).double(), reference.flatten(1).double())
    expected = distances.sort(dim=1)
    assert torch.equal(found.indices, expected.indices[:, :5])
    torch.testing.assert_close(
        found.distances.double(), expected.values[:, :5], rtol=1e-5, atol=1e-6
    )


def test_copy_has_distance_zero_exactly():
    reference = 100 + normal(500, 0, 784)
    found = nearest_neighbours(reference[40:60], reference)
    assert found.indices[:, 0].tolist() == list(range(40, 60))
    assert found.distances.max() == 0


def test_neighbours_refusals():
    with pytest.raises(ValueError, match="at least 1"):
        nearest_neighbours(normal(3, 0, 2), normal(3, 1, 2), k=0)
    with pytest.raises(ValueError, match="need at least 4"):
        nearest_neighbours(normal(3, 0, 2), normal(3, 1, 2), k=4)
    with pytest.raises(ValueError, match="at least one sample"):
        nearest_neighbours(normal(0, 0, 2), normal(3, 1, 2))
    with pytest.raises(ValueError, match="Rows of queries"):
        nearest_neighbours(normal(3, 0, 2), normal(3, 1, 3))
    with pytest.raises(ValueError, match="NaN"):
        nearest_neighbours(normal(3, 0, 2) * float("nan"), normal(3, 1, 2))


class TestCopyReport:
    """Copied or new."""

    training = normal(2000, 0, 8)
    held_out = normal(2000, 1, 8)

    def test_new_samples_are_as_near_as_held_out_ones(self):
        report = copy_report(normal(2000, 2, 8), self.training, self.held_out)
        # A share of 0.01 from 2,000 has a standard error of 0.0022, and so has the threshold.
        assert report.share_suspicious == pytest.approx(0.01, abs=0.012)
        assert report.probability_nearer == pytest.approx(0.5, abs=0.04)

    def test_planted_copies_are_found(self):
        generated = normal(1000, 2, 8)
        planted = torch.arange(100, 200)
        sources = torch.arange(700, 800)
        generated[planted] = self.training[sources] + 1e-3 * normal(100, 3, 8)
        report = copy_report(generated, self.training, self.held_out)
        assert set(planted.tolist()) <= set(report.suspicious.tolist())
        assert report.suspicious[:100].sort().values.tolist() == planted.tolist()
        assert torch.equal(report.neighbours.indices[planted, 0], sources)
        assert report.share_suspicious == pytest.approx(0.11, abs=0.015)

    def test_only_copies(self):
        report = copy_report(self.training[:500].clone(), self.training, self.held_out)
        assert report.share_suspicious == 1.0
        assert report.probability_nearer == 1.0

    def test_far_samples_are_no_copies(self):
        report = copy_report(self.held_out + 30, self.training, self.held_out)
        assert report.share_suspicious == 0.0
        assert report.probability_nearer == 0.0

    def test_equal_distances_count_one_half(self):
        report = copy_report(self.held_out.clone(), self.training, self.held_out)
        assert report.probability_nearer == pytest.approx(0.5, abs=1e-9)

    def test_held_out_samples_that_were_trained_on_hide_no_copies(self):
        held_out = torch.cat([self.training[:30], self.held_out[:970]])
        copies = self.training[500:600]
        with pytest.raises(ValueError, match="30 of 1000 held_out samples are equal to one in tr"):
            copy_report(copies, self.training, held_out)
        report = copy_report(copies, self.training, held_out, quantile=0.04)
        assert report.threshold > 0
        assert report.share_suspicious == 1.0

    def test_refusals(self):
        with pytest.raises(ValueError, match="need at least 100"):
            copy_report(self.held_out, self.training, self.held_out[:99])
        with pytest.raises(ValueError, match="between 0 and 1"):
            copy_report(self.held_out, self.training, self.held_out, quantile=1.0)
