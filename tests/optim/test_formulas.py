"""Optimizers from their formulas against torch's, and their orbits around an equilibrium."""

import math

import pytest
import torch
from torch import Tensor, nn

from aigc_tutorial.optim import formulas

PAIRS = [
    (formulas.SGD, torch.optim.SGD, {"lr": 0.003}),
    (formulas.SGD, torch.optim.SGD, {"lr": 0.003, "momentum": 0.9}),
    (formulas.RMSprop, torch.optim.RMSprop, {"lr": 0.01}),
    (formulas.RMSprop, torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.5, "eps": 1e-3}),
    (formulas.Adam, torch.optim.Adam, {"lr": 0.01}),
    (formulas.Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-4}),
]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()


@pytest.mark.parametrize(("ours", "theirs", "settings"), PAIRS)
def test_every_step_equals_torch(ours, theirs, settings):
    a, b = network(), network()
    own, other = ours(a.parameters(), **settings), theirs(b.parameters(), **settings)
    random = torch.Generator().manual_seed(1)
    for step in range(60):
        x = torch.randn(4, 3, generator=random, dtype=torch.float64)
        for model, optimizer in ((a, own), (b, other)):
            optimizer.zero_grad()
            # The scale jumps, so that averages of squares have something to follow.
            (model(x).square().sum() * 10.0 ** (step % 3 - 1)).backward()
            optimizer.step()
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ours", [formulas.SGD, formulas.RMSprop, formulas.Adam])
def test_a_parameter_without_gradient_stays(ours):
    moved, left = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = ours([moved, left], lr=0.1)
    moved.sum().backward()
    optimizer.step()
    assert (moved < 1).all()
    assert torch.equal(left, torch.ones(2))


@pytest.mark.parametrize(("ours", "theirs", "settings"), PAIRS)
def test_saved_and_restored_it_goes_on_as_before(ours, theirs, settings):
    def run(interrupted: bool) -> Tensor:
        x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
        optimizer = ours([x], **settings)
        for step in range(6):
            if interrupted and step == 3:
                state = optimizer.state_dict()
                optimizer = ours([x], **settings)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (x**4).sum().backward()
            optimizer.step()
        return x.detach()

    assert torch.equal(run(interrupted=True), run(interrupted=False))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_first_step_of_adam_has_the_length_of_the_learning_rate(scale):
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (scale * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64) * x).sum().backward()
    formulas.Adam([x], lr=0.1).step()
    expected = torch.tensor([-0.1, 0.1, -0.1], dtype=torch.float64)
    torch.testing.assert_close(x.detach(), expected, rtol=1e-4, atol=0)


def test_momentum_adds_steps_up_to_a_known_speed():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = formulas.SGD([x], lr=0.1, momentum=0.9)
    for _ in range(300):
        before = x.item()
        optimizer.zero_grad()
        x.sum().backward()
        optimizer.step()
    assert before - x.item() == pytest.approx(0.1 / (1 - 0.9), rel=1e-8)


def test_wrong_settings_are_refused():
    x = [torch.zeros(1, requires_grad=True)]
    for make in (formulas.SGD, formulas.RMSprop, formulas.Adam, formulas.Extragradient):
        with pytest.raises(ValueError, match="learning rate"):
            make(x, lr=0.0)
    with pytest.raises(ValueError, match="momentum"):
        formulas.SGD(x, lr=0.1, momentum=1.0)
    with pytest.raises(ValueError, match="alpha"):
        formulas.RMSprop(x, alpha=-0.1)
    with pytest.raises(ValueError, match=r"betas\[1\]"):
        formulas.Adam(x, betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="closure"):
        formulas.SGD(x, lr=0.1).step(lambda: None)


def orbit(kind: str, n_steps: int, learning_rate: float = 0.1) -> Tensor:
    """Radius before and after each step of min over x, max over y, of xy, from (1, 1)."""
    x = torch.ones((), dtype=torch.float64, requires_grad=True)
    y = torch.ones((), dtype=torch.float64, requires_grad=True)

    def gradients() -> None:
        (x.grad,), (y.grad,) = torch.autograd.grad(x * y, x), torch.autograd.grad(-x * y, y)

    if kind == "extragradient":
        together = formulas.Extragradient([x, y], lr=learning_rate)
    first, second = (formulas.SGD([p], lr=learning_rate) for p in (x, y))
    radii = [math.hypot(x.item(), y.item())]
    for _ in range(n_steps):
        if kind == "extragradient":
            together.step(gradients)
        else:
            gradients()
            first.step()
            if kind == "alternating":
                gradients()
            second.step()
        radii.append(math.hypot(x.item(), y.item()))
    return torch.tensor(radii, dtype=torch.float64)


@pytest.mark.parametrize(
    ("kind", "radius"),
    [("simultaneous", 3.825), ("alternating", 1.356), ("extragradient", 0.523)],
)
def test_radius_after_200_steps_of_the_bilinear_game(kind, radius):
    radii = orbit(kind, 200)
    assert radii[0].item() == pytest.approx(math.sqrt(2))
    assert radii[-1].item() == pytest.approx(radius, abs=5e-4)


def test_simultaneous_and_extragradient_steps_scale_the_radius_by_known_factors():
    eta = 0.1
    for kind, square in (("simultaneous", 1 + eta**2), ("extragradient", 1 - eta**2 + eta**4)):
        radii = orbit(kind, 50, eta)
        factors = (radii[1:] / radii[:-1]).square()
        torch.testing.assert_close(factors, torch.full_like(factors, square))


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"),
    [
        (formulas.SGD, {"lr": math.inf}, "learning rate"),
        (formulas.Extragradient, {"lr": math.inf}, "learning rate"),
        (formulas.Adam, {"eps": -1e-8}, "eps must be at least 0"),
        (formulas.RMSprop, {"eps": -1.0}, "eps must be at least 0"),
        (formulas.Adam, {"eps": math.nan}, "eps must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(optimizer, settings, message):
    parameter = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=message):
        optimizer([parameter], **settings)
    of_another = optimizer([torch.ones(2, requires_grad=True)], lr=0.1)
    with pytest.raises(ValueError, match=message):
        of_another.add_param_group({"params": [parameter]} | settings)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999)])
def test_adam_has_two_betas(betas):
    numbers = [torch.ones(1, requires_grad=True) for _ in range(2)]
    optimizer = formulas.Adam(numbers[:1])
    with pytest.raises(ValueError, match="betas must be two numbers"):
        optimizer.add_param_group({"params": numbers[1:], "betas": betas})
