"""RMSNorm: equal to torch's, and harmless where there is nothing to scale."""

import subprocess
import sys

import torch
import torch.nn.functional as F

from aigc_tutorial.gan.penalties import r1_penalty
from aigc_tutorial.nn.norm import rms_norm, rms_norm_formula


def test_equals_torchs_function_and_its_gradient():
    x = torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.linspace(-1, 1, 16)
    (ours,) = torch.autograd.grad((rms_norm(x) * weights).sum(), x)
    (theirs,) = torch.autograd.grad((F.rms_norm(x, (16,)) * weights).sum(), x)
    torch.testing.assert_close(rms_norm(x), F.rms_norm(x, (16,)))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_zeros_stay_zeros_with_a_finite_gradient():
    x = torch.zeros(2, 8, requires_grad=True)
    rms_norm(x).sum().backward()
    assert not rms_norm(x).any()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_its_gradient_is_that_of_its_operations_in_double_precision():
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(rms_norm, (x,))


def test_with_and_without_gradients_the_values_are_equal():
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    torch.testing.assert_close(rms_norm(x.detach()), rms_norm(x).detach())


def test_the_fast_form_is_the_line_to_read_with_its_gradient():
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(3)).double().requires_grad_()
    weights = torch.linspace(-1, 1, 8, dtype=torch.float64)
    torch.testing.assert_close(rms_norm(x), rms_norm_formula(x))
    fast, read = (
        torch.autograd.grad((form(x) * weights).sum(), x)[0]
        for form in (rms_norm, rms_norm_formula)
    )
    torch.testing.assert_close(fast, read, rtol=1e-4, atol=1e-5)


def test_a_gradient_of_its_gradient_is_that_of_its_operations():
    """Penalties, Hessians and sharpness differentiate twice."""
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(4)).double().requires_grad_()
    assert torch.autograd.gradgradcheck(rms_norm, (x,))
    weights = torch.linspace(-1, 1, 8, dtype=torch.float64)
    fast, read = (
        torch.autograd.functional.hessian(lambda v, f=form: (f(v) * weights).exp().sum(), x[0, 0])
        for form in (rms_norm, rms_norm_formula)
    )
    torch.testing.assert_close(fast, read, rtol=1e-4, atol=1e-5)


def test_a_penalty_reaches_the_weights_before_it():
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    gradients = []
    for form in (rms_norm, rms_norm_formula):
        weight = torch.linspace(0.5, 2, 8, dtype=torch.float64).requires_grad_()
        r1_penalty(lambda v: form(v * weight).exp().sum(1), x).backward()  # noqa: B023
        gradients.append(weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_it_computes_whatever_torchs_default_device_was_when_it_was_loaded():
    program = (
        "import torch\n"
        "with torch.device('meta'):\n"
        "    from aigc_tutorial.nn import rms_norm\n"
        "print(rms_norm(torch.ones(2)).tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("[0.99")
