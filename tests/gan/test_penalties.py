"""Penalties on discriminators whose gradient is known."""

from inspect import unwrap

import pytest
import torch
from torch import nn

from aigc_tutorial.gan.penalties import gradient_penalty, input_gradient, r1_penalty, r2_penalty

SHAPE = (1, 4, 4)


def linear(weight):
    return lambda x: x.flatten(1) @ weight


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def test_linear_critic_has_the_penalty_of_its_norm(random):
    weight = torch.randn(16, generator=random)
    x_real, x_fake = torch.randn(2, 5, *SHAPE, generator=random)
    penalty = gradient_penalty(linear(weight), x_real, x_fake, rng=random)
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-5)


def quadratic(x):
    """A critic whose gradient is where it is taken."""
    return 0.5 * x.square().flatten(1).sum(1)


def test_the_point_between_is_drawn_for_each_pair_from_the_generator(random):
    """At ``u x + (1 − u) G(z)`` the quadratic critic's gradient has the norm of that point."""
    x_real, x_fake = torch.randn(2, 5, *SHAPE, generator=random)
    penalty = gradient_penalty(quadratic, x_real, x_fake, rng=torch.Generator().manual_seed(1))
    u = torch.rand(5, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    between = (u * x_real + (1 - u) * x_fake).flatten(1)
    expected = (between.norm(dim=1) - 1).square().mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_penalty_is_two_sided_unless_asked_otherwise(random):
    x = torch.randn(5, *SHAPE, generator=random)
    flat = linear(torch.full((16,), 0.1))
    assert gradient_penalty(flat, x, x, rng=random).item() == pytest.approx(0.36)


def test_the_penalty_takes_its_precision_from_the_samples(random):
    x_real, x_fake = torch.randn(2, 5, *SHAPE, generator=random, dtype=torch.float64)
    assert gradient_penalty(quadratic, x_real, x_fake, rng=random).dtype == torch.float64


def test_without_a_generator_the_mixing_weights_go_to_the_device_of_the_samples():
    x = torch.ones(3, *SHAPE, device="meta")
    penalty = gradient_penalty(quadratic, x, x)
    assert penalty.device.type == "meta"
    assert penalty.shape == ()


def test_one_sided_penalty_spares_flat_critics(random):
    x_real, x_fake = torch.randn(2, 5, *SHAPE, generator=random)
    flat, steep = torch.full((16,), 0.1), torch.full((16,), 1.0)
    arguments = {"rng": random, "one_sided": True}
    assert gradient_penalty(linear(flat), x_real, x_fake, **arguments) == 0
    assert gradient_penalty(linear(steep), x_real, x_fake, **arguments).item() == pytest.approx(9)


def test_r1_and_r2_of_a_linear_critic_are_its_squared_norm(random):
    weight = torch.randn(16, generator=random)
    x = torch.randn(5, *SHAPE, generator=random)
    assert r1_penalty(linear(weight), x).item() == pytest.approx(weight.square().sum().item())
    assert r2_penalty(linear(weight), x).item() == pytest.approx(weight.square().sum().item())


def test_input_gradient_of_a_quadratic(random):
    x = torch.randn(5, *SHAPE, generator=random)
    gradient = input_gradient(lambda x: 0.5 * x.square().flatten(1).sum(1), x)
    torch.testing.assert_close(gradient, x.flatten(1))


def test_penalty_reaches_the_weights(random):
    """The penalty is differentiated again: its gradient in the weight w is 2 w for R1."""
    weight = torch.randn(16, generator=random).requires_grad_(True)
    penalty = r1_penalty(linear(weight), torch.randn(5, *SHAPE, generator=random))
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, 2 * weight.detach())


def test_norm_runs_over_all_dimensions_but_the_batch(random):
    """A wrong norm over one axis alone would see 4 small gradients instead of one of norm 2."""
    x = torch.randn(3, *SHAPE, generator=random)
    assert gradient_penalty(linear(torch.full((16,), 0.5)), x, x, rng=random) == 1


def test_constant_critic_has_a_finite_gradient(random):
    weight = torch.zeros(16, requires_grad=True)
    x = torch.randn(3, *SHAPE, generator=random)
    gradient_penalty(linear(weight), x, x, rng=random).backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_penalties_leave_no_gradient_on_the_samples(random):
    x = torch.randn(3, *SHAPE, generator=random)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
    r1_penalty(critic, x).backward()
    assert x.grad is None
    assert not x.requires_grad


def test_unequal_batches_are_refused(random):
    x = torch.randn(3, *SHAPE, generator=random)
    with pytest.raises(ValueError, match="pair by pair"):
        gradient_penalty(linear(torch.ones(16)), x, x[:2], rng=random)


def test_without_gradients_a_penalty_is_the_same_number(random):
    x, weight = torch.randn(5, *SHAPE, generator=random), torch.randn(16, generator=random)
    critic = linear(weight.requires_grad_())
    expected = r1_penalty(critic, x)
    with torch.no_grad():
        found = r1_penalty(critic, x)
    assert expected.requires_grad
    assert not found.requires_grad
    torch.testing.assert_close(found, expected.detach())


def test_samples_that_are_mixed_have_one_type():
    real = torch.ones(2, 3, dtype=torch.float64)
    for fake in (real.float(), real.half()):
        with pytest.raises(ValueError, match=r"need one type, got torch\.float64 and .*x_real\.to"):
            gradient_penalty(lambda x: x.sum(1), real, fake)


def test_samples_of_an_inference_mode_are_differentiated_at():
    with torch.inference_mode():
        x = torch.full((5, *SHAPE), 2.0)
        within = r2_penalty(quadratic, x)
    assert r2_penalty(quadratic, x).item() == within.item() == pytest.approx(64)
    assert gradient_penalty(quadratic, x, x).item() == pytest.approx(49)


def test_whole_numbers_are_refused():
    x = torch.ones(5, *SHAPE, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"floating point numbers, got torch\.uint8; pixels"):
        unwrap(input_gradient)(quadratic, x)
    with pytest.raises(ValueError, match=r"floating point numbers, got torch\.uint8; pixels"):
        unwrap(gradient_penalty)(quadratic, x, x)
