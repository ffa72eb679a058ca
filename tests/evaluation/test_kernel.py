"""Kernel distance: unbiased, equal to torchmetrics', refusals."""

import threading

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from aigc_tutorial.evaluation import kernel_distance, squared_mmd
from aigc_tutorial.nn import seeded_weights


def draw(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)) + shift


def test_by_hand():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    # k(a, b) = (ab + 1)³: pairs within x: k(1, 2) = 27; within y: k(0, 1) = 1;
    # across: k(1, 0) = 1, k(1, 1) = 8, k(2, 0) = 1, k(2, 1) = 27.
    assert squared_mmd(x, y).item() == pytest.approx(27 + 1 - 2 * (1 + 8 + 1 + 27) / 4)


def test_formula_equals_torchmetrics():
    x, y = draw(60, 0).double(), draw(60, 1, shift=0.3).double()
    assert squared_mmd(x, y).item() == pytest.approx(poly_mmd(x, y).item(), rel=1e-9)


def test_whole_sets_as_one_subset_equal_the_formula():
    x, y = draw(60, 0), draw(60, 1, shift=0.3)
    result = kernel_distance(
        x, y, rng=torch.Generator().manual_seed(0), n_subsets=3, subset_size=60
    )
    assert result.mean == pytest.approx(squared_mmd(x, y).item(), rel=1e-9)
    assert result.std == pytest.approx(0, abs=1e-9)


def test_unbiased_for_equal_distributions():
    values = torch.stack([squared_mmd(draw(50, 2 * s), draw(50, 2 * s + 1)) for s in range(200)])
    standard_error = values.std() / len(values) ** 0.5
    assert abs(values.mean()) < 4 * standard_error
    assert (values < 0).any()
    assert (values > 0).any()


def test_grows_with_the_difference():
    generator = torch.Generator().manual_seed(0)
    means = [
        kernel_distance(
            draw(400, 0), draw(400, 1, shift), rng=generator, n_subsets=5, subset_size=200
        ).mean
        for shift in (0.0, 0.2, 0.5, 1.0)
    ]
    assert means == sorted(means)
    assert means[-1] > 10 * abs(means[0])


def test_random_numbers_come_from_the_generator_alone():
    x, y = draw(200, 0), draw(200, 1)

    def run(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        return kernel_distance(x, y, rng=generator, n_subsets=4, subset_size=50).mean

    before = torch.get_rng_state()
    first = run(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert run(0) == first
    assert run(1) != first


def test_refusals():
    generator = torch.Generator()
    with pytest.raises(ValueError, match="got 20 samples, need at least 1000"):
        kernel_distance(draw(2000, 0), draw(20, 1), rng=generator)
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(draw(20, 0), draw(20, 1), rng=generator, subset_size=1)
    with pytest.raises((ValueError, TypeError)):
        kernel_distance(draw(20, 0), draw(20, 1)[:, :4], rng=generator, subset_size=10)
    with pytest.raises(ValueError, match="NaN"):
        kernel_distance(draw(20, 0), draw(20, 1) * float("nan"), rng=generator, subset_size=10)
    with pytest.raises(ValueError, match="pairs"):
        squared_mmd(draw(1, 0), draw(20, 1))


def test_features_whose_kernel_float64_does_not_hold_are_refused():
    x = 1e60 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).double()
    with pytest.raises(ValueError, match="Divide both sets by one number"):
        squared_mmd(x, -x)
    with pytest.raises(ValueError, match="Divide both sets by one number"):
        kernel_distance(x, -x, rng=torch.Generator(), n_subsets=2, subset_size=20)


def test_a_thread_that_measures_waits_for_one_that_builds_a_model():
    """Both borrow torch's one generator: the subsets would be drawn from the other's seed."""

    def measured():
        rng = torch.Generator().manual_seed(1)
        found.append(kernel_distance(draw(40, 0), draw(40, 1), rng=rng, n_subsets=3, subset_size=9))

    found: list = []
    measured()
    thread = threading.Thread(target=measured)
    with seeded_weights(0):
        thread.start()
        thread.join(0.5)
        assert len(found) == 1
    thread.join()
    assert found[0] == found[1]
