"""Shares of classes and modes: known values and constructed sets."""

import math

import pytest
import torch

from aigc_tutorial.data import grid, ring
from aigc_tutorial.evaluation import class_shares, kl_to_uniform, mode_coverage


def test_shares_are_counts_over_n():
    labels = torch.tensor([0] * 60 + [1] * 30 + [3] * 10)
    assert class_shares(labels, 4).tolist() == pytest.approx([0.6, 0.3, 0.0, 0.1])


def test_shares_refuse_too_few_and_wrong_labels():
    with pytest.raises(ValueError, match="got 99 samples, need at least 100"):
        class_shares(torch.zeros(99, dtype=torch.int64))
    with pytest.raises(ValueError, match="between 0 and 9"):
        class_shares(torch.full((100,), 10))
    with pytest.raises(ValueError, match="between 0 and 9"):
        class_shares(torch.full((100,), -1))


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.25] * 4, 0.0),
        ([1.0, 0.0, 0.0, 0.0], math.log(4)),
        ([0.5, 0.5, 0.0, 0.0], math.log(2)),
        ([0.75, 0.25], 0.75 * math.log(1.5) + 0.25 * math.log(0.5)),
    ],
)
def test_kl_has_known_values(shares, expected):
    assert kl_to_uniform(torch.tensor(shares)) == pytest.approx(expected, abs=1e-12)


def test_kl_of_uniform_draws_is_as_large_as_chance_makes_it():
    generator = torch.Generator().manual_seed(0)
    values = [
        kl_to_uniform(class_shares(torch.randint(10, (1000,), generator=generator)))
        for _ in range(300)
    ]
    assert sum(values) / len(values) == pytest.approx(9 / 2000, rel=0.1)


@pytest.mark.parametrize("shares", [[0.5, 0.4], [1.5, -0.5], [math.nan, 1.0]])
def test_kl_refuses_what_are_no_shares(shares):
    with pytest.raises(ValueError, match=r"[sS]hares"):
        kl_to_uniform(torch.tensor(shares))


def test_true_samples_cover_every_mode():
    distribution = grid(n_side=5)
    samples = distribution.sample(5000, rng=torch.Generator().manual_seed(0))
    coverage = mode_coverage(samples, distribution)
    assert (coverage.n_found, coverage.n_modes, coverage.n_samples) == (25, 25, 5000)
    # In two dimensions 1 - exp(-9 / 2) of a Gaussian lie within three standard deviations.
    assert coverage.share_high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.006)
    assert coverage.kl_to_uniform < 0.01


def test_dropped_modes_are_missed_and_garbage_is_no_mode():
    distribution = ring(n_modes=8)
    samples = distribution.sample(4000, rng=torch.Generator().manual_seed(0))
    kept = samples[distribution.assign_modes(samples) < 3]
    coverage = mode_coverage(kept, distribution)
    assert coverage.n_found == 3
    assert coverage.kl_to_uniform == pytest.approx(math.log(8 / 3), abs=0.01)

    with_garbage = torch.cat([kept, torch.zeros(len(kept), 2)])
    halved = mode_coverage(with_garbage, distribution)
    assert halved.n_found == 3
    assert halved.share_high_quality == pytest.approx(coverage.share_high_quality / 2)


def test_a_few_strays_do_not_make_a_mode():
    distribution = ring(n_modes=8)
    samples = distribution.sample(4000, rng=torch.Generator().manual_seed(0))
    modes = distribution.assign_modes(samples)
    one_and_strays = torch.cat([samples[modes == 0][:400], samples[modes == 1][:2]])
    assert mode_coverage(one_and_strays, distribution).n_found == 1
    assert mode_coverage(one_and_strays, distribution, min_share=0).n_found == 2


def test_no_sample_near_any_mode():
    coverage = mode_coverage(torch.zeros(100, 2), ring(n_modes=8))
    assert coverage.n_found == 0
    assert coverage.share_high_quality == 0
    assert coverage.kl_to_uniform == math.inf


def test_coverage_refusals():
    with pytest.raises(ValueError, match="need at least 80"):
        mode_coverage(torch.zeros(79, 2), ring(n_modes=8))
    with pytest.raises(ValueError, match="NaN"):
        mode_coverage(torch.full((100, 2), math.nan), ring(n_modes=8))
