"""Muon in stacks moves every matrix as torch's Muon does."""

import copy

import pytest
import torch

from aigc_tutorial.optim.muon import StackedMuon, orthogonalise

SHAPES = [(6, 4), (4, 6), (6, 4), (5, 5), (4, 6)]


def trained(optimizer_class, n_steps, state=None):
    random = torch.Generator().manual_seed(0)
    matrices = [torch.randn(shape, generator=random).requires_grad_() for shape in SHAPES]
    matrices.append(torch.zeros(3, 3, requires_grad=True))  # has no gradient
    optimizer = optimizer_class(matrices, lr=0.1, momentum=0.9, weight_decay=0.1, ns_steps=4)
    if state is not None:
        optimizer.load_state_dict(copy.deepcopy(state))
    for _ in range(n_steps):
        for matrix in matrices[:-1]:
            matrix.grad = torch.randn(matrix.shape, generator=random)
        optimizer.step()
    return torch.cat([matrix.detach().flatten() for matrix in matrices]), optimizer.state_dict()


def test_equals_torchs_optimizer():
    ours, state = trained(StackedMuon, 5)
    theirs, their_state = trained(torch.optim.Muon, 5)
    # Both round to bfloat16, whose steps are 2^-8 of a number, or ours does not round at all.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)
    assert state["state"].keys() == their_state["state"].keys()


def test_goes_on_from_torchs_state():
    _, state = trained(torch.optim.Muon, 3)
    ours, _ = trained(StackedMuon, 2, state)
    theirs, _ = trained(torch.optim.Muon, 2, state)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)


@pytest.mark.parametrize("shape", [(3, 8, 5), (2, 5, 8), (1, 6, 6)])
def test_singular_values_come_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(matrices, (3.4445, -4.775, 2.0315), 5).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_singular_vectors_are_kept():
    matrix = torch.randn(4, 7, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalise(matrix[None], (3.4445, -4.775, 2.0315), 5)[0].float() @ right.T
    assert found.diagonal().min() > 0.5
    assert (found - found.diagonal().diag()).abs().max() < 0.05


def test_a_closure_is_refused():
    with pytest.raises(ValueError, match="no closure"):
        StackedMuon([torch.zeros(2, 2, requires_grad=True)]).step(lambda: 0.0)
