"""Points of the plane as pairs of bins: there, back, and what lies outside."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_tutorial import data


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 200), st.floats(0.1, 1e3))
def test_every_pair_of_bins_comes_back(n_bins, extent):
    bins = data.PlaneBins(n_bins, extent)
    pairs = torch.randint(n_bins, (50, 2), generator=seeded())
    tokens = torch.cat([torch.full((50, 1), bins.start), pairs], dim=1)
    middle = (pairs + 0.5) * bins.width - extent
    assert torch.equal(bins.to_tokens(middle), tokens)
    points = bins.to_points(tokens, rng=seeded())
    assert ((points - middle).abs() <= bins.width / 2 + 1e-6 * extent).all()


def test_the_ends_of_the_square():
    bins = data.PlaneBins(n_bins=10, extent=0.3)
    last = torch.nextafter(torch.tensor(0.3), torch.tensor(0.0))
    assert bins.to_tokens(torch.tensor([[-0.3, float(last)]])).tolist() == [[10, 0, 9]]
    assert bins.vocab_size == 11
    for outside in ([[0.3, 0.0]], [[0.0, -0.31]]):
        with pytest.raises(ValueError, match="1 of 1 points lie outside the square"):
            bins.to_tokens(torch.tensor(outside))


def test_places_in_a_bin_are_equally_probable():
    bins = data.PlaneBins(n_bins=2, extent=1.0)
    tokens = torch.tensor([[2, 0, 1]]).expand(20_000, 3)
    points = bins.to_points(tokens, rng=seeded())
    assert torch.allclose(points.mean(0), torch.tensor([-0.5, 0.5]), atol=0.01)
    assert torch.allclose(points.std(0), torch.full((2,), 12**-0.5), atol=0.01)


def test_a_first_token_that_is_drawn_again_lies_outside():
    bins = data.PlaneBins(n_bins=4, extent=1.0)
    (point,) = bins.to_points([[4, 4, 0]], rng=seeded())
    assert point[0] >= bins.extent


def test_what_is_no_point_and_no_sequence_is_refused():
    bins = data.PlaneBins()
    for points in (torch.zeros(3), torch.zeros(3, 3), torch.zeros(3, 2, dtype=torch.int64)):
        with pytest.raises(ValueError, match="points must be"):
            bins.to_tokens(points)
    with pytest.raises(ValueError, match="NaN or infinite"):
        bins.to_tokens(torch.full((1, 2), torch.nan))
    for tokens in ([[64, 0]], [64, 0, 0]):
        with pytest.raises(ValueError, match=r"shape \(N, 3\)"):
            bins.to_points(tokens, rng=seeded())
    with pytest.raises(ValueError, match="expected tokens 0 … 64, got 0 … 65"):
        bins.to_points([[64, 0, 65]], rng=seeded())
    with pytest.raises(ValueError, match="n_bins"):
        data.PlaneBins(n_bins=0)
    with pytest.raises(ValueError, match="extent"):
        data.PlaneBins(extent=0.0)
