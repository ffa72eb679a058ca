"""Spectral descent: singular values near 1, singular vectors kept, the fastest way down."""

import pytest
import torch
from torch import nn

from aigc_tutorial.optim.spectral import SpectralDescent, orthogonal_factor


def random_matrix(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (12, 12)])
def test_singular_values_come_near_one(shape):
    values = torch.linalg.svdvals(orthogonal_factor(random_matrix(*shape)))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_singular_vectors_are_kept():
    matrix = random_matrix(5, 9)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonal_factor(matrix) @ right.T
    assert (found - found.diagonal().diag()).abs().max() < 1e-6


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_equals_the_iteration_on_the_matrix_itself(shape):
    """Steps taken on X Xᵀ alone are those of the published iteration."""
    x = matrix = random_matrix(*shape, seed=1)
    x = x / x.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x - 4.7750 * gram @ x + 2.0315 * gram @ gram @ x
    torch.testing.assert_close(orthogonal_factor(matrix), x, rtol=1e-8, atol=1e-8)


def test_scale_of_the_gradient_does_not_matter():
    matrix = random_matrix(4, 6)
    torch.testing.assert_close(orthogonal_factor(1e-9 * matrix), orthogonal_factor(matrix))
    assert orthogonal_factor(torch.zeros(3, 5)).abs().max() == 0


def test_no_step_of_the_same_spectral_norm_goes_down_faster():
    """<G, UVᵀ> is the sum of the singular values, the most that a step of norm 1 can reach."""
    gradient = random_matrix(6, 10)
    left, values, right = torch.linalg.svd(gradient, full_matrices=False)
    best = (gradient * (left @ right)).sum()
    torch.testing.assert_close(best, values.sum())
    step = orthogonal_factor(gradient)
    step = step / torch.linalg.matrix_norm(step, ord=2)
    assert (gradient * step).sum() > 0.75 * best
    for seed in range(20):
        other = random_matrix(6, 10, seed=seed + 1)
        other = other / torch.linalg.matrix_norm(other, ord=2)
        assert (gradient * other).sum() < (gradient * step).sum()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_kernel_moves_as_the_matrix_that_multiplies_patches(memory_format):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3).to(memory_format=memory_format)
    before = layer.weight.detach().clone()
    layer(torch.randn(2, 3, 6, 6)).square().sum().backward()
    SpectralDescent([layer.weight], lr=0.1).step()
    gradient = layer.weight.grad
    assert gradient is not None
    expected = before.flatten(1) - 0.1 * orthogonal_factor(gradient.flatten(1))
    torch.testing.assert_close(layer.weight.flatten(1), expected)


def test_what_has_no_gradient_stays():
    parameter = nn.Parameter(torch.ones(2, 3))
    SpectralDescent([parameter], lr=0.1).step()
    assert (parameter == 1).all()


def test_bad_input():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        SpectralDescent([torch.zeros(3, requires_grad=True)], lr=0.1)
    with pytest.raises(ValueError, match="above 0"):
        SpectralDescent([torch.zeros(3, 3, requires_grad=True)], lr=0)
    with pytest.raises(ValueError, match="no closure"):
        SpectralDescent([torch.zeros(3, 3, requires_grad=True)], lr=1).step(lambda: 0.0)
