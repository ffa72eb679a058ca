"""Density and coverage: their means are known, and one stray sample moves neither."""

import math

import pytest
import torch

from aigc_tutorial.evaluation import density_coverage, nearest_neighbours, precision_recall


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, seed: int, n_features: int = 8) -> torch.Tensor:
    return torch.randn(n, n_features, generator=seeded(seed))


def expected_coverage(n: int, m: int, k: int) -> float:
    """Of equal distributions: the k nearest of the n - 1 + m others are not all real."""
    return 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))


def test_by_hand_on_a_line():
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[-1.5], [0.5], [1.0], [4.5]])
    # Radii 1, 1, 2: the balls are [-1, 1], [0, 2] and [1, 5], their ends included.
    # The generated points lie in 0, 2, 3 and 1 of them; each ball holds one.
    result = density_coverage(real, fake, k=1)
    assert result.density == pytest.approx(6 / 4)
    assert result.coverage == 1.0
    assert density_coverage(real, fake[:2], k=1).coverage == pytest.approx(2 / 3)


@pytest.mark.parametrize(("n", "m", "k"), [(1000, 1000, 5), (1000, 500, 3), (400, 1200, 1)])
def test_equal_distributions_have_the_known_means(n, m, k):
    found = [density_coverage(normal(n, 2 * i), normal(m, 2 * i + 1), k) for i in range(8)]
    density = torch.tensor([f.density for f in found])
    coverage = torch.tensor([f.coverage for f in found])
    for values, expected in ((density, 1.0), (coverage, expected_coverage(n, m, k))):
        assert abs(values.mean() - expected) < 5 * values.std() / len(found) ** 0.5
        assert values.std() < 0.15


def test_a_collapsed_model_is_dense_and_covers_nothing():
    real = normal(1000, 0)
    collapsed = 0.01 * normal(1000, 1)  # all at the densest place
    result = density_coverage(real, collapsed)
    assert result.density > 1.5
    assert result.coverage < 0.1


def test_a_missing_mode_lowers_coverage_by_its_share():
    centres = 20 * torch.eye(4, 8)
    real = centres[torch.arange(1000) % 4] + normal(1000, 0)
    fake = centres[torch.arange(999) % 3] + normal(999, 1)
    result = density_coverage(real, fake)
    assert result.coverage == pytest.approx(0.75 * expected_coverage(250, 333, 5), abs=0.03)
    assert result.density > 0.8


def test_an_outlier_among_the_real_ones_fools_precision_alone():
    """Generated samples that are noise lie in the huge ball of one real outlier."""
    real = normal(1000, 0)
    stray = torch.cat([real, torch.full((1, 8), 15.0)])
    noise = 15 + 3 * normal(1000, 1)
    assert precision_recall(real, noise).precision == 0
    assert precision_recall(stray, noise).precision > 0.95
    spoilt = density_coverage(stray, noise)
    assert spoilt.density < 0.3  # at most 1 / k: one ball of the k that a real sample lies in
    assert spoilt.coverage == pytest.approx(1 / 1001)


def test_an_outlier_among_the_generated_ones_fools_recall_alone():
    """Its huge ball holds all real samples; the others have collapsed."""
    real, collapsed = normal(1000, 0), 0.01 * normal(1000, 1)
    stray = torch.cat([collapsed, torch.full((1, 8), 100.0)])
    assert precision_recall(real, collapsed).recall < 0.05
    assert precision_recall(real, stray, k=3).recall > 0.4
    assert density_coverage(real, stray).coverage == density_coverage(real, collapsed).coverage


def test_refusals():
    with pytest.raises(ValueError, match="need at least 6"):
        density_coverage(torch.rand(5, 2), torch.rand(10, 2))
    with pytest.raises(ValueError, match="features_fake"):
        density_coverage(torch.rand(10, 2), torch.rand(0, 2))
    with pytest.raises(ValueError, match="at least 1"):
        density_coverage(torch.rand(10, 2), torch.rand(10, 2), k=0)
    with pytest.raises(ValueError, match="features_fake"):
        density_coverage(torch.rand(10, 2), torch.rand(10, 3))
    with pytest.raises(ValueError, match="NaN"):
        density_coverage(torch.rand(10, 2), torch.full((10, 2), float("nan")))


@pytest.mark.parametrize("scale", [1e-200, 1e160, 1e300])
def test_distances_whose_squares_float64_does_not_hold_are_refused(scale):
    """Where they would all be infinite, or 0, everything would lie in every ball."""
    real, fake = scale * normal(20, 0).double(), scale * (normal(20, 1).double() + 9)
    for measure in (density_coverage, precision_recall, nearest_neighbours):
        with pytest.raises(ValueError, match="Divide both sets by one number"):
            measure(real, fake)
    expected = density_coverage(real / scale, fake / scale)
    assert density_coverage(real / scale * 1e-140, fake / scale * 1e-140) == expected
