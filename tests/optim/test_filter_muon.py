"""Muon for convolutions is Muon for their matrices."""

from typing import Any

import pytest
import torch
from torch import nn

from aigc_tutorial.optim.filter_muon import FilterMuon
from aigc_tutorial.optim.muon import StackedMuon

OPTIONS: dict[str, Any] = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filters() -> list[nn.Parameter]:
    random = seeded()
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in ((8, 4, 2, 3), (4, 6))]


def step(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], seed: int) -> None:
    random = seeded(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.numel(), generator=random).view(weight.shape)
    optimizer.step()


def test_filters_move_as_their_matrices_do():
    weights = filters()
    matrices = [nn.Parameter(w.detach().flatten(1).clone()) for w in weights]
    ours, theirs = FilterMuon(weights, **OPTIONS), StackedMuon(matrices, **OPTIONS)
    for seed in range(3):
        for optimizer in (ours, theirs):
            optimizer.param_groups[0]["lr"] = 0.02 / (1 + seed)  # as a schedule sets it
        step(ours, weights, seed)
        step(theirs, matrices, seed)
    for weight, matrix in zip(weights, matrices, strict=True):
        torch.testing.assert_close(weight.flatten(1), matrix)
        assert not torch.equal(weight, filters()[0] if weight.ndim == 4 else filters()[1])


def test_goes_on_where_it_was():
    whole, first = filters(), filters()
    optimizer = FilterMuon(whole, **OPTIONS)
    before = FilterMuon(first, **OPTIONS)
    for seed in range(2):
        step(optimizer, whole, seed)
        step(before, first, seed)
    second = [nn.Parameter(w.detach().clone()) for w in first]
    after = FilterMuon(second, **OPTIONS)
    after.load_state_dict(before.state_dict())
    step(optimizer, whole, 2)
    step(after, second, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))


def test_a_weight_without_gradient_stays():
    weights = filters()
    optimizer = FilterMuon(weights, **OPTIONS)
    weights[1].grad = torch.ones_like(weights[1])
    optimizer.step()
    assert torch.equal(weights[0], filters()[0])
    assert not torch.equal(weights[1], filters()[1])
    optimizer.zero_grad()
    assert weights[1].grad is None


def test_a_weight_must_share_its_memory():
    scattered = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view"):
        FilterMuon([nn.Parameter(scattered)], lr=0.02)
