"""The equation of the page on tools and resources."""

import pytest
import torch

from aigc_tutorial.exercises.page_07 import floor_of_sampling


@pytest.mark.equation("resources-floor")
def test_a_perfect_sampler_diverges_by_half_a_degree_of_freedom_over_the_samples():
    """Exactly, by the binomial counts of one kind, and drawn: both come near the formula."""
    for n_kinds, n_samples in ((5, 500), (20, 1_000)):
        formula = (n_kinds - 1) / (2 * n_samples)
        assert 1 < floor_of_sampling(n_kinds, n_samples) / formula < 1.02
    n_kinds, n_samples, n_runs = 1_000, 26_000, 20
    rng = torch.Generator().manual_seed(0)
    total = 0.0
    for _ in range(n_runs):
        counts = torch.randint(n_kinds, (n_samples,), generator=rng).bincount(minlength=n_kinds)
        shares = counts.double() / n_samples
        total += float(torch.xlogy(shares, n_kinds * shares).sum()) / n_runs
    # The deviation of a mean of 20 is sqrt(2 / 999 / 20) = 1 %.
    assert total / ((n_kinds - 1) / (2 * n_samples)) == pytest.approx(1, abs=0.05)


def test_with_few_samples_the_formula_is_too_small():
    assert floor_of_sampling(100, 100) > 1.1 * 99 / 200
    assert floor_of_sampling(1, 50) == 0
