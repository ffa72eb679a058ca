"""Muon moves matrices as torch's does, filters as their matrices, and without momentum is descent.

The iteration is told by its singular values and vectors.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aigc_tutorial.optim import Muon, muon, orthogonalise, spectral_descent
from aigc_tutorial.optim.muon import COEFFICIENTS

SHAPES = [(6, 4), (4, 6), (6, 4), (5, 5), (4, 6), (3, 20)]
FILTERS = [(8, 4, 2, 3), (4, 6), (6, 3, 5)]
OPTIONS: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "ns_steps": 4}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_matrix(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def one_factor(matrix: Tensor) -> Tensor:
    return orthogonalise(matrix[None], eps=1e-30)[0]


def trained(
    optimizer_class: Any, n_steps: int, state: dict[str, Any] | None = None
) -> tuple[Tensor, dict[str, Any]]:
    random = seeded()
    matrices = [torch.randn(shape, generator=random).requires_grad_() for shape in SHAPES]
    matrices.append(torch.zeros(3, 3, requires_grad=True))  # has no gradient
    optimizer = optimizer_class(matrices, **OPTIONS)
    if state is not None:
        optimizer.load_state_dict(copy.deepcopy(state))
    for i in range(n_steps):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + i)  # as a schedule sets it
        for matrix in matrices[:-1]:
            matrix.grad = torch.randn(matrix.shape, generator=random)
        optimizer.step()
    return torch.cat([matrix.detach().flatten() for matrix in matrices]), optimizer.state_dict()


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.004), ("no", 0.02)])
def test_equals_torchs_optimizer(monkeypatch, precision, tolerance):
    """Torch rounds to bfloat16, whose steps are 2^-8 of a number; ours where that is fast."""
    monkeypatch.setattr(muon, "fast_precision", lambda: precision)
    ours, state = trained(Muon, 5)
    theirs, their_state = trained(torch.optim.Muon, 5)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)
    assert state["state"].keys() == their_state["state"].keys()


def test_goes_on_from_torchs_state():
    _, state = trained(torch.optim.Muon, 3)
    ours, _ = trained(Muon, 2, state)
    theirs, _ = trained(torch.optim.Muon, 2, state)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)
    anew, _ = trained(torch.optim.Muon, 2)
    assert (ours - anew).abs().max() > 0.02  # what was restored matters


def filters(memory_format: torch.memory_format = torch.contiguous_format) -> list[nn.Parameter]:
    weights = [torch.randn(shape, generator=seeded(i)) for i, shape in enumerate(FILTERS)]
    weights[0] = weights[0].contiguous(memory_format=memory_format)
    weights[2] = weights[2].transpose(0, 2).contiguous().transpose(0, 2)
    return [nn.Parameter(weight) for weight in weights]


def step(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], seed: int) -> None:
    random = seeded(seed)
    for weight in weights:
        gradient = torch.randn(weight.numel(), generator=random).view(weight.shape)
        weight.grad = torch.empty_like(weight).copy_(gradient)  # in the weight's own order
    optimizer.step()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_filters_move_as_their_matrices_do(memory_format, momentum):
    weights = filters(memory_format)
    matrices = [nn.Parameter(w.detach().flatten(1).clone()) for w in weights]
    options = OPTIONS | {"momentum": momentum}
    ours, theirs = Muon(weights, **options), Muon(matrices, **options)
    for seed in range(3):
        step(ours, weights, seed)
        step(theirs, matrices, seed)
    for weight, matrix, before in zip(weights, matrices, filters(), strict=True):
        torch.testing.assert_close(weight.flatten(1), matrix)
        assert not torch.equal(weight, before)


def test_goes_on_where_it_was():
    whole, first = filters(), filters()
    optimizer, before = Muon(whole, **OPTIONS), Muon(first, **OPTIONS)
    for seed in range(2):
        step(optimizer, whole, seed)
        step(before, first, seed)
    second = [nn.Parameter(w.detach().clone()) for w in first]
    after = Muon(second, **OPTIONS)
    after.load_state_dict(before.state_dict())
    step(optimizer, whole, 2)
    step(after, second, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_weight_without_gradient_stays(momentum):
    weights = filters()
    optimizer = Muon(weights, lr=0.1, momentum=momentum)
    weights[1].grad = torch.ones_like(weights[1])
    optimizer.step()
    assert torch.equal(weights[0], filters()[0])
    assert not torch.equal(weights[1], filters()[1])


def test_without_momentum_nothing_is_remembered():
    weights = filters()
    optimizer = Muon(weights, lr=0.1, momentum=0.0)
    step(optimizer, weights, 0)
    assert optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize("shape", [(3, 8, 5), (2, 5, 8), (1, 6, 6), (2, 8, 30), (1, 30, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_come_near_one(shape, dtype):
    matrices = torch.randn(shape, generator=seeded()).to(dtype)
    values = torch.linalg.svdvals(orthogonalise(matrices).float())
    assert values.min() > 0.5
    assert values.max() < 1.3


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6)])
def test_singular_vectors_are_kept(shape):
    matrix = random_matrix(*shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ one_factor(matrix) @ right.T
    assert (found - found.diagonal().diag()).abs().max() < 1e-6


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 6), (6, 6)])
@pytest.mark.parametrize("n_steps", [1, 4, 5])
def test_equals_the_iteration_on_the_matrix_itself(shape, n_steps):
    """Steps taken on X Xᵀ alone are those of the published iteration."""
    matrices = random_matrix(2, *shape, seed=1)
    x = matrices / matrices.flatten(1).norm(dim=1)[:, None, None]
    a, b, c = COEFFICIENTS
    for _ in range(n_steps):
        gram = x @ x.mT
        x = a * x + b * gram @ x + c * gram @ gram @ x
    torch.testing.assert_close(orthogonalise(matrices, n_steps), x, rtol=1e-8, atol=1e-8)


def test_scale_of_the_gradient_does_not_matter():
    matrix = random_matrix(4, 6)
    torch.testing.assert_close(one_factor(1e-9 * matrix), one_factor(matrix))
    assert one_factor(torch.zeros(3, 5)).abs().max() == 0


def test_no_step_of_the_same_spectral_norm_goes_down_faster():
    """<G, UVᵀ> is the sum of the singular values, the most that a step of norm 1 can reach."""
    gradient = random_matrix(6, 10)
    left, values, right = torch.linalg.svd(gradient, full_matrices=False)
    best = (gradient * (left @ right)).sum()
    torch.testing.assert_close(best, values.sum())
    direction = one_factor(gradient)
    direction = direction / torch.linalg.matrix_norm(direction, ord=2)
    assert (gradient * direction).sum() > 0.75 * best
    for seed in range(20):
        other = random_matrix(6, 10, seed=seed + 1)
        other = other / torch.linalg.matrix_norm(other, ord=2)
        assert (gradient * other).sum() < (gradient * direction).sum()


@pytest.mark.parametrize("precision", ["bf16", "no"])
@pytest.mark.parametrize("scale", [1.0, 1e-12])
@pytest.mark.parametrize("shape", [(4, 3, 3, 3), (9, 2)])
def test_spectral_descent_takes_the_rate_as_it_is(monkeypatch, precision, scale, shape):
    """No scaling by shape, no decay, no rounding, and no gradient is too small."""
    monkeypatch.setattr(muon, "fast_precision", lambda: precision)
    weight = nn.Parameter(torch.randn(shape, generator=seeded()))
    before = weight.detach().clone()
    weight.grad = scale * torch.randn(shape, generator=seeded(1))
    spectral_descent([weight], lr=0.1).step()
    expected = before.flatten(1) - 0.1 * one_factor(weight.grad.flatten(1))
    torch.testing.assert_close(weight.flatten(1), expected)


def test_bad_input():
    matrix = torch.zeros(3, 3, requires_grad=True)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Muon([torch.zeros(3, requires_grad=True)], lr=0.1)
    for name, value in [("lr", 0), ("lr", float("nan")), ("momentum", 1), ("weight_decay", -1)]:
        bad: dict[str, Any] = {"lr": 0.1} | {name: value}
        with pytest.raises(ValueError, match=f"{name}|learning rate"):
            Muon([matrix], **bad)
    with pytest.raises(ValueError, match="ns_steps must be at least 1"):
        Muon([matrix], lr=0.1, ns_steps=0)
    with pytest.raises(ValueError, match="no closure"):
        Muon([matrix], lr=1).step(lambda: 0.0)
