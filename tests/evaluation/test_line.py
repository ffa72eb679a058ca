"""Distances on the line agree with slower ways to compute them, and with closed forms."""

import itertools
import math

import pytest
import torch
from torch.distributions import Normal

from aigc_tutorial.evaluation import jensen_shannon_1d, wasserstein_1d


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_no_plan_of_transport_is_cheaper_than_sorting(seed):
    x, y = torch.randn(2, 6, generator=rng(seed))
    costs = [
        sum(abs(a - b) for a, b in zip(x.tolist(), order, strict=True)) / 6
        for order in itertools.permutations(y.tolist())
    ]
    assert wasserstein_1d(x, y) == pytest.approx(min(costs), rel=1e-5)


def test_wasserstein_is_a_metric_that_measures_shifts():
    x, y, z = torch.randn(3, 50, generator=rng())
    assert wasserstein_1d(x, x.flip(0)) == 0
    assert wasserstein_1d(x, y) == wasserstein_1d(y, x) > 0
    assert wasserstein_1d(x, z) <= wasserstein_1d(x, y) + wasserstein_1d(y, z) + 1e-9
    assert wasserstein_1d(x, x - 3) == pytest.approx(3, rel=1e-6)
    assert wasserstein_1d(2 * x, 2 * y) == pytest.approx(2 * wasserstein_1d(x, y), rel=1e-6)


def test_wasserstein_refuses_what_it_cannot_pair():
    x = torch.zeros(3)
    with pytest.raises(ValueError, match="two vectors of one length"):
        wasserstein_1d(x, torch.zeros(4))
    with pytest.raises(ValueError, match="at least 1"):
        wasserstein_1d(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match="y holds 1 entries that are NaN"):
        wasserstein_1d(x, torch.tensor([0.0, 1.0, math.nan]))


POINTS = torch.linspace(-20, 20, 8001, dtype=torch.float64)
SPACING = 40 / 8000


def log_normal(mean, std):
    return Normal(torch.tensor(mean).double(), torch.tensor(std).double()).log_prob(POINTS)


def test_jensen_shannon_has_its_known_values():
    p, q = log_normal(0.0, 1.0), log_normal(1.5, 0.7)
    assert jensen_shannon_1d(p, p, SPACING) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon_1d(p, q, SPACING) == pytest.approx(jensen_shannon_1d(q, p, SPACING))
    assert 0 < jensen_shannon_1d(p, q, SPACING) < math.log(2)
    apart = jensen_shannon_1d(log_normal(-9.0, 0.2), log_normal(9.0, 0.2), SPACING)
    assert apart == pytest.approx(math.log(2), abs=1e-9)


def test_jensen_shannon_of_samples():
    """The mean of log p - log m over draws from p, and the same for q."""
    p, q = Normal(0.0, 1.0), Normal(1.0, 0.5)
    n = 200_000
    x, y = torch.randn(n, generator=rng()), 1 + 0.5 * torch.randn(n, generator=rng(1))

    def log_m(at):
        return torch.logaddexp(p.log_prob(at), q.log_prob(at)) - math.log(2)

    by_samples = 0.5 * ((p.log_prob(x) - log_m(x)).mean() + (q.log_prob(y) - log_m(y)).mean())
    by_quadrature = jensen_shannon_1d(log_normal(0.0, 1.0), log_normal(1.0, 0.5), SPACING)
    assert by_quadrature == pytest.approx(float(by_samples), abs=3e-3)


def test_jensen_shannon_refuses_points_that_miss_the_densities():
    inside = log_normal(0.0, 1.0)
    with pytest.raises(ValueError, match="q integrates to"):
        jensen_shannon_1d(inside, log_normal(20.0, 1.0), SPACING)
    with pytest.raises(ValueError, match="p integrates to 2"):
        jensen_shannon_1d(inside, inside, 2 * SPACING)


@pytest.mark.parametrize("spacing", [0.0, -1.0, math.inf, math.nan])
def test_points_without_a_distance_are_refused(spacing):
    with pytest.raises(ValueError, match="spacing must be a positive number"):
        jensen_shannon_1d(log_normal(0.0, 1.0), log_normal(0.0, 1.0), spacing)


def test_where_one_density_is_exactly_zero_only_the_other_counts():
    halves = torch.tensor([[0.0, 0.0, -math.inf, -math.inf], [-math.inf, -math.inf, 0.0, 0.0]])
    assert jensen_shannon_1d(halves[0], halves[1], 0.5) == pytest.approx(math.log(2))
    assert jensen_shannon_1d(halves[0], halves[0], 0.5) == 0
