"""Densities that integrate to one, samples that follow them, and modes that are told apart."""

import math

import pytest
import torch

from aigc_tutorial.data import ToyDistribution, grid, ring, spiral, two_moons

# Wide enough, for the quadrature, that a cell is a fraction of a standard deviation.
WIDE = [
    ring(std=0.2),
    ring(n_modes=3, radius=1.0, std=0.4),
    grid(n_side=3, std=0.25),
    spiral(std=0.15),
    spiral(n_arms=3, turns=0.5, std=0.2),
    two_moons(std=0.15),
]
ALL = [ring(), grid(), spiral(), two_moons(), *WIDE]


def label(distribution):
    return f"{distribution.name}-{distribution.std}"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def lattice(half_width, n):
    """Centres of n × n equal cells of a square, (n², 2) in float64, and a cell's area."""
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * half_width / n) - half_width
    return torch.cartesian_prod(axis, axis), (2 * half_width / n) ** 2


@pytest.mark.parametrize("distribution", WIDE, ids=label)
def test_the_density_integrates_to_one(distribution):
    half_width = distribution.centres.abs().max().item() + 8 * distribution.std
    x, area = lattice(half_width, 200)
    # The midpoint rule converges faster than any power for a Gaussian; centres are float32.
    assert distribution.log_density(x).exp().sum().item() * area == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("distribution", WIDE, ids=label)
def test_samples_follow_the_density(distribution):
    n, n_cells = 50_000, 12
    half_width = distribution.centres.abs().max().item() + 4 * distribution.std
    fine, area = lattice(half_width, 20 * n_cells)
    density = (distribution.log_density(fine).exp() * area).reshape(n_cells, 20, n_cells, 20)
    expected = n * density.sum(dim=(1, 3))

    x = distribution.sample(n, rng=seeded())
    cell = ((x + half_width) / (2 * half_width) * n_cells).floor().long().clamp(0, n_cells - 1)
    observed = (cell[:, 0] * n_cells + cell[:, 1]).bincount(minlength=n_cells**2)
    observed = observed.reshape(n_cells, n_cells)

    counted = expected >= 5  # the usual condition of Pearson's test
    chi_squared = ((observed - expected)[counted].square() / expected[counted]).sum().item()
    freedom = int(counted.sum()) - 1
    # Mean and variance of chi-squared are freedom and 2 freedom; five standard deviations.
    assert abs(chi_squared - freedom) < 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("distribution", ALL, ids=label)
def test_the_log_density_is_that_of_torch_distributions(distribution):
    centres = distribution.centres.double()
    oracle = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(len(centres)).double()),
        torch.distributions.Independent(
            torch.distributions.Normal(
                centres, torch.full_like(centres, distribution.std), validate_args=False
            ),
            1,
        ),
    )
    x = torch.randn(500, 2, generator=seeded(), dtype=torch.float64) * 3
    torch.testing.assert_close(distribution.log_density(x), oracle.log_prob(x))
    # Nearly the same in single precision, where the density matters: at its own samples.
    samples = distribution.sample(500, rng=seeded())
    torch.testing.assert_close(
        distribution.log_density(samples).double(),
        oracle.log_prob(samples.double()),
        atol=1e-3,
        rtol=1e-4,
    )


@pytest.mark.parametrize("distribution", ALL, ids=label)
def test_every_mode_gets_its_share_of_the_samples(distribution):
    n = 20_000
    modes = distribution.assign_modes(distribution.sample(n, rng=seeded()))
    counts = modes.bincount(minlength=distribution.n_modes)
    share = 1 / distribution.n_modes
    # Five standard deviations of a binomial; wide Gaussians that overlap swap points evenly.
    assert (counts - n * share).abs().max() < 5 * math.sqrt(n * share * (1 - share))


@pytest.mark.parametrize("distribution", ALL, ids=label)
def test_a_centre_is_assigned_to_its_own_mode(distribution):
    assert torch.equal(distribution.assign_modes(distribution.centres), distribution.modes)


@pytest.mark.parametrize("n_std", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("distribution", [ring(), grid()], ids=label)
def test_high_quality_shares_are_those_of_a_gaussian_in_the_plane(distribution, n_std):
    x = distribution.sample(40_000, rng=seeded())
    share = distribution.is_high_quality(x, n_std).double().mean().item()
    expected = 1 - math.exp(-(n_std**2) / 2)
    assert share == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / 40_000))


def test_the_space_between_two_modes_is_not_high_quality():
    distribution = ring(n_modes=2)
    between = torch.tensor([[0.0, 0.0], [2.0, 0.0], [-2.0, 0.059], [-2.0, 0.061]])
    assert distribution.is_high_quality(between).tolist() == [False, True, True, False]


def test_ring_stands_on_its_circle_from_angle_zero():
    distribution = ring(n_modes=8, radius=3.0)
    assert distribution.n_modes == 8
    assert torch.allclose(distribution.mode_centres.norm(dim=1), torch.tensor(3.0))
    assert torch.allclose(distribution.mode_centres[0], torch.tensor([3.0, 0.0]))
    assert torch.allclose(distribution.mode_centres[2], torch.tensor([0.0, 3.0]), atol=1e-6)


def test_grid_runs_row_by_row_around_the_origin():
    centres = grid(n_side=3, spacing=1.5).mode_centres
    assert centres[:3].tolist() == [[-1.5, -1.5], [0.0, -1.5], [1.5, -1.5]]
    assert torch.equal(centres.mean(dim=0), torch.zeros(2))
    assert grid().n_modes == 25


def test_two_moons_has_the_shape_of_scikit_learns():
    t = torch.linspace(0, math.pi, 100, dtype=torch.float64)
    upper = torch.stack([t.cos(), t.sin()], dim=1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], dim=1)
    x = torch.cat([upper, lower])
    x = x - (x.amax(dim=0) + x.amin(dim=0)) / 2
    distribution = two_moons(std=0.01)
    nearest = torch.cdist(x, distribution.centres.double()).amin(dim=1)
    assert nearest.max() < 0.006  # half of the largest spacing, and a little
    assert torch.equal(distribution.assign_modes(x), torch.arange(2).repeat_interleave(100))


@pytest.mark.parametrize("distribution", [spiral(), two_moons()], ids=label)
def test_the_density_is_smooth_along_a_curve(distribution):
    curve = distribution.centres[distribution.modes == 0].double()
    assert curve.diff(dim=0).norm(dim=1).max() <= distribution.std * 1.000001
    finer = distribution.log_density((curve[:-1] + curve[1:]) / 2)
    coarse = distribution.log_density(curve)
    # Far from the ends the density halfway between two centres is that at the centres.
    halfway, mean = finer[8:-8], ((coarse[:-1] + coarse[1:]) / 2)[8:-8]
    assert (halfway - mean).abs().max() < 0.01


def test_spiral_arms_are_turned_copies():
    distribution = spiral(n_arms=2)
    first, second = (distribution.centres[distribution.modes == arm] for arm in (0, 1))
    assert torch.allclose(first, -second, atol=1e-6)
    assert first.norm(dim=1).min() == pytest.approx(0.4, abs=1e-4)
    assert first.norm(dim=1).max() == pytest.approx(2.0, abs=1e-4)


def test_the_seed_decides_the_sample():
    distribution = ring()
    a, b, c = (distribution.sample(10, rng=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == (10, 2)
    assert a.dtype == torch.float32


def test_the_log_density_has_the_gradient_of_a_gaussian():
    distribution = ToyDistribution("one", torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), 0.5)
    x = torch.tensor([[0.3, -0.4]], requires_grad=True)
    (score,) = torch.autograd.grad(distribution.log_density(x).sum(), x)
    torch.testing.assert_close(score, -x.detach() / 0.25)


@pytest.mark.parametrize("make", [ring, grid, spiral, two_moons])
@pytest.mark.parametrize("std", [0.0, -1.0])
def test_a_standard_deviation_must_be_positive(make, std):
    with pytest.raises(ValueError, match="above 0"):
        make(std=std)


def test_there_must_be_at_least_one_mode():
    for make in (lambda: ring(0), lambda: grid(0), lambda: spiral(0)):
        with pytest.raises(ValueError, match="at least 1"):
            make()


def test_modes_are_numbered_without_gaps():
    with pytest.raises(ValueError, match="without gaps"):
        ToyDistribution("gap", torch.zeros(2, 2), torch.tensor([0, 2]), 1.0)


def test_a_distribution_does_not_change_with_the_tensors_that_it_was_made_of():
    centres, modes = torch.zeros(2, 2), torch.arange(2)
    distribution = ToyDistribution("two", centres, modes, 0.1)
    centres += 1
    modes += 1
    assert not distribution.centres.any()
    assert distribution.n_modes == 2


@pytest.mark.parametrize("measure", ["log_density", "assign_modes", "is_high_quality"])
def test_points_come_in_arrays_and_lists_too_and_only_of_the_plane(measure):
    of = getattr(ring(), measure)
    points = torch.tensor([[2.0, 0.0], [0.0, -2.0], [0.5, 0.1]])
    for form in (points.numpy(), points.tolist()):
        torch.testing.assert_close(of(form), of(points), check_dtype=False)
    # Points of a line would be taken for pairs of equal numbers.
    for shape in ((5, 1), (5,), (2, 5, 2)):
        with pytest.raises(ValueError, match=r"expected points of the plane, \(N, 2\), got"):
            of(torch.zeros(shape))
    assert of(points[:0]).shape == (0,)


@pytest.mark.parametrize("far", [math.nan, math.inf, -math.inf, 1e30])
def test_a_point_without_a_distance_is_of_no_mode(far):
    """Of distances that are all NaN, or all infinite, the first is the least: mode 0."""
    with pytest.raises(ValueError, match="1 points have no distance to any Gaussian"):
        ring().assign_modes(torch.tensor([[2.0, 0.0], [0.0, far]]))
    assert ring().is_high_quality(torch.tensor([[2.0, 0.0], [0.0, far]])).tolist() == [True, False]


def test_a_density_passes_its_gradient_on():
    x = torch.tensor([[1.9, 0.1]], requires_grad=True)
    (gradient,) = torch.autograd.grad(ring(std=0.5).log_density(x).sum(), x)
    assert float(gradient[0, 0]) > 0 > float(gradient[0, 1])  # towards the heap at (2, 0)
