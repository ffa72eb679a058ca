"""Muon moves matrices as torch's does, filters as their matrices, and without momentum is descent.

The iteration is told by its singular values and vectors.
"""

import copy
from inspect import unwrap
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


def test_a_rate_may_be_a_tensor_and_stays_what_it_is():
    """It grew by the factor of the shape at every step, without a word."""
    gradients = [random_matrix(8, 2, seed=seed) for seed in range(4)]
    ends = []
    for rate in (0.25, torch.tensor(0.25)):
        matrix = random_matrix(8, 2).requires_grad_()
        optimizer = Muon([matrix], 0.1)
        optimizer.param_groups[0]["lr"] = rate
        for gradient in gradients:
            matrix.grad = gradient
            optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 0.25
        ends.append(matrix.detach())
    torch.testing.assert_close(*ends)


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


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("scale", [1e-36, 1e-24, 1e-20, 1e19, 1e38])
def test_spectral_descent_moves_by_the_rate_whatever_the_size_of_the_gradient(scale, flushed):
    """Squares of 1e-20 or 1e20 are no float32; a certain discriminator has such gradients."""
    weight = nn.Parameter(torch.zeros(8, 4))
    gradient = torch.rand(8, 4, generator=seeded())
    weight.grad = scale * gradient
    torch.set_flush_denormal(flushed)
    try:
        spectral_descent([weight], lr=0.1).step()
    finally:
        torch.set_flush_denormal(False)
    expected = -0.1 * one_factor(gradient)
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("allowed", ["autocast", "rounded factors"])
def test_a_step_has_its_length_where_products_are_rounded(monkeypatch, allowed):
    """Of a wide gradient of rank one: the rounded product with its transpose has other signs."""
    column, row = (torch.randn(n, generator=seeded(n)) for n in (32, 288))
    weight = nn.Parameter(torch.zeros(32, 288))
    weight.grad = 1e-3 * column.outer(row)
    is_autocast = allowed == "autocast"
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_autocast):
        if not is_autocast:
            monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
            # What such a processor does, on any: the factors of each product are bfloat16.
            monkeypatch.setattr(Tensor, "__matmul__", rounded(Tensor.__matmul__))
            monkeypatch.setattr(torch, "baddbmm", rounded(torch.baddbmm))
        spectral_descent([weight], lr=1.0).step()
    monkeypatch.undo()
    direction = -column.outer(row) / (column.norm() * row.norm())
    length = (weight.detach() * direction).sum().item()
    assert 0.6 < length < 1.3
    assert (weight.detach() - length * direction).norm() < 0.02


def rounded(product: Any) -> Any:
    """A product whose last two factors are rounded to bfloat16 first."""

    def of_rounded(*args: Tensor, **options: Any) -> Tensor:
        *others, a, b = args
        return product(*others, a.bfloat16().float(), b.bfloat16().float(), **options)

    return of_rounded


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_gradient_of_zeros_moves_nothing(dtype):
    weight = nn.Parameter(torch.ones(4, 3, dtype=dtype))
    weight.grad = torch.zeros_like(weight)
    spectral_descent([weight], lr=0.1).step()
    assert torch.equal(weight, torch.ones_like(weight))


def test_eps_is_the_least_norm_that_is_divided_by():
    matrix = random_matrix(1, 4, 6)
    small = 1e-9 * matrix / matrix.norm()
    torch.testing.assert_close(
        orthogonalise(small, 1, eps=1e-3), COEFFICIENTS[0] * small / 1e-3, rtol=1e-6, atol=0
    )


@pytest.mark.parametrize(
    "settings",
    [{"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}, {"ns_coefficients": (3, -4, 2)}],
)
def test_a_state_of_torchs_that_takes_other_steps_is_refused(settings):
    theirs = torch.optim.Muon([nn.Parameter(torch.ones(4, 3))], lr=0.1, **settings)
    ours = Muon([nn.Parameter(torch.ones(4, 3))], lr=0.1)
    with pytest.raises(ValueError, match=f"torch.optim.Muon with {next(iter(settings))}="):
        ours.load_state_dict(theirs.state_dict())


def test_a_state_restores_the_kind_of_step():
    descent = spectral_descent([nn.Parameter(torch.ones(4, 3))], lr=0.1)
    weight, expected = (nn.Parameter(torch.zeros(9, 3)) for _ in range(2))
    other = Muon([weight], lr=0.1)
    other.load_state_dict(descent.state_dict())
    step(other, [weight], 0)
    step(spectral_descent([expected], lr=0.1), [expected], 0)
    assert torch.equal(weight, expected)


def test_a_copy_goes_on_alone():
    weight = nn.Parameter(torch.ones(4, 3))
    optimizer = Muon([weight], lr=0.1, scale_by_shape=False)
    step(optimizer, [weight], 0)
    copied, other = copy.deepcopy((weight, optimizer))
    before = copied.detach().clone()
    step(optimizer, [weight], 1)
    assert torch.equal(copied, before)
    step(other, [copied], 1)
    assert torch.equal(copied, weight)


def test_a_group_of_its_own_is_checked_too():
    matrix = torch.zeros(3, 3, requires_grad=True)
    optimizer = Muon([torch.zeros(2, 3, requires_grad=True)], lr=0.1)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        optimizer.add_param_group({"params": [torch.zeros(3, requires_grad=True)]})
    with pytest.raises(ValueError, match="learning rate"):
        optimizer.add_param_group({"params": [matrix], "lr": -1.0})
    with pytest.raises(ValueError, match="eps must be a number above 0"):
        Muon([matrix], lr=0.1, eps=0.0)


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


def test_steps_are_whole_and_matrices_stacked():
    matrices = [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    optimizer = Muon(matrices[:1], lr=0.1)
    with pytest.raises(ValueError, match=r"ns_steps must be at least 1, a whole number, got 2\.5"):
        optimizer.add_param_group({"params": matrices[1:], "ns_steps": 2.5})
    with pytest.raises(
        ValueError, match=r"a stack of matrices \(S, R, C\), got the shape \(2, 2\)"
    ):
        unwrap(orthogonalise)(torch.ones(2, 2))
