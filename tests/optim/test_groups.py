"""Every parameter has one optimizer, and the right one."""

import pytest
import torch
from torch import nn

from aigc_tutorial.optim.groups import JointOptimizer, split_parameters


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.positions = nn.Parameter(torch.zeros(6, 4))
        self.recurrent = nn.LSTM(4, 4)
        self.convolution = nn.Conv2d(4, 4, 3)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 11)


def test_hidden_matrices_are_told_from_the_rest():
    model = Mixed()
    matrices, others = split_parameters(model, vocab_size=11)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in matrices} == {
        "recurrent.weight_ih_l0",
        "recurrent.weight_hh_l0",
        "convolution.weight",
    }
    assert len(matrices) + len(others) == len(names) == len({*map(id, matrices + others)})


def test_a_joint_optimizer_equals_its_parts():
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    joint = JointOptimizer(torch.optim.SGD([first], lr=0.1), torch.optim.SGD([second], lr=0.2))
    joint.scale_learning_rates(0.5)
    (first.sum() + second.sum()).backward()
    joint.step()
    assert first.detach() == pytest.approx(torch.full((3,), 1 - 0.5 * 0.1))
    assert second.detach() == pytest.approx(torch.full((3,), 1 - 0.5 * 0.2))
    joint.zero_grad()
    assert first.grad is None
    assert second.grad is None


def test_learning_rates_can_be_set_after_a_state_was_restored():
    """Restoring makes new groups in torch's optimizers; the rates must reach those."""
    parameter = torch.nn.Parameter(torch.ones(3))
    joint = JointOptimizer(torch.optim.SGD([parameter], lr=0.1))
    joint.load_state_dict(joint.state_dict())
    joint.scale_learning_rates(0.0)
    parameter.grad = torch.ones(3)
    joint.step()
    assert torch.equal(parameter.detach(), torch.ones(3))


def test_no_parameter_has_two_optimizers():
    parameter = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match="more than one parameter group"):
        JointOptimizer(*(torch.optim.SGD([parameter], lr=0.1) for _ in range(2)))
