"""The squared rectifier has the values and the gradient of its formula."""

import torch

from aigc_tutorial.nn.activation import relu_squared


def test_values_and_gradient():
    x = torch.tensor([-2.0, 0.0, 0.5, 3.0], requires_grad=True)
    y = relu_squared(x)
    assert y.tolist() == [0.0, 0.0, 0.25, 9.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 6.0]
