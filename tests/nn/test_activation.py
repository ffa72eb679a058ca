"""The squared rectifier has the values and the gradient of its formula."""

import torch

from aigc_tutorial.nn.activation import relu_squared, relu_squared_formula


def test_values_and_gradient():
    x = torch.tensor([-2.0, 0.0, 0.5, 3.0], requires_grad=True)
    y = relu_squared(x)
    assert y.tolist() == [0.0, 0.0, 0.25, 9.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 6.0]


def test_the_fast_form_is_the_line_to_read_with_its_gradient():
    x = torch.randn(50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.equal(relu_squared(x), relu_squared_formula(x))
    fast, read = (
        torch.autograd.grad(form(x).sum(), x)[0] for form in (relu_squared, relu_squared_formula)
    )
    assert torch.equal(fast, read)


def test_a_gradient_of_its_gradient_is_that_of_its_formula():
    """Penalties, Hessians and sharpness differentiate twice."""
    x = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(relu_squared, (x,))
    hessian = torch.autograd.functional.hessian(lambda v: relu_squared(v).sum(), x.detach())
    assert hessian.diagonal().tolist() == [0.0, 2.0, 2.0]
