"""The Dirac GAN: its field is the gradient of its losses, and its orbits do what theory says."""

import math

import pytest
import torch

from aigc_tutorial.gan import DiracGAN, losses, penalties

LOSSES = [losses.MINIMAX, losses.NON_SATURATING, losses.HINGE, losses.WASSERSTEIN]


def states(n=6):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_field_is_minus_the_gradient_of_each_player(loss):
    game = DiracGAN(loss, r1_gamma=0.3, gradient_penalty=0.7)
    for state, arrow in zip(states(), game.field(states()), strict=True):
        at = state.requires_grad_(True)
        (by_generator,) = torch.autograd.grad(game.loss_generator(at), at)
        (by_discriminator,) = torch.autograd.grad(game.loss_discriminator(at), at)
        expected = -torch.stack([by_generator[0], by_discriminator[1]])
        torch.testing.assert_close(arrow, expected)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_field_is_the_same_in_a_block_without_gradients(off):
    game = DiracGAN(r1_gamma=0.3)
    expected = game.field(states())
    with off():
        assert torch.equal(game.field(states()), expected)


def test_penalties_are_those_of_the_package():
    theta, psi = 0.8, -1.7
    state = torch.tensor([theta, psi])

    def logit(x):
        return psi * x[:, 0]

    bare = DiracGAN().loss_discriminator(state)
    x_real, x_fake = torch.zeros(3, 1), torch.full((3, 1), theta)
    r1 = DiracGAN(r1_gamma=2.0).loss_discriminator(state) - bare
    torch.testing.assert_close(r1, penalties.r1_penalty(logit, x_real))
    wgan_gp = DiracGAN(gradient_penalty=1.0).loss_discriminator(state) - bare
    torch.testing.assert_close(wgan_gp, penalties.gradient_penalty(logit, x_real, x_fake))


@pytest.mark.parametrize("gamma", [0.0, 0.4, 2.0])
def test_jacobian_is_the_derivative_of_the_field(gamma):
    game = DiracGAN(losses.MINIMAX, r1_gamma=gamma)
    torch.testing.assert_close(
        game.jacobian(), torch.tensor([[0.0, 0.5], [-0.5, -gamma]], dtype=torch.float64)
    )
    step = 1e-6 * torch.eye(2, dtype=torch.float64)
    columns = (game.field(step) - game.field(-step)) / 2e-6
    torch.testing.assert_close(game.jacobian(), columns.T, atol=1e-8, rtol=1e-6)


def test_moving_at_once_and_in_turns():
    game = DiracGAN(losses.WASSERSTEIN)  # theta' = psi, psi' = -theta
    at_once = game.orbit((1.0, 0.0), step_size=0.5, n_steps=1)
    in_turns = game.orbit((1.0, 0.0), step_size=0.5, n_steps=1, alternating=True)
    assert at_once[0].tolist() == in_turns[0].tolist() == [1, 0]
    assert at_once[1].tolist() == [1, -0.5]
    assert in_turns[1].tolist() == [0.75, -0.5]


def test_small_steps_of_the_minimax_game_go_in_a_circle():
    orbit = DiracGAN(losses.MINIMAX).orbit((1.0, 0.0), step_size=0.01, n_steps=300)
    radius = orbit.norm(dim=1)
    assert radius.min() >= 1
    assert radius.max() < 1.01
    angle = torch.atan2(orbit[-1, 1], orbit[-1, 0])
    assert abs(float(angle)) > math.pi / 4


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_a_strong_gradient_penalty_rests_at_a_wrong_place(strength):
    game = DiracGAN(losses.WASSERSTEIN, gradient_penalty=strength)
    orbit = game.orbit((1.0, 1.0), step_size=0.1, n_steps=600, alternating=True)
    assert orbit[-1].tolist() == pytest.approx([2 * strength, 0], abs=1e-3)
    assert float((orbit[-1] - orbit[-2]).norm()) < 1e-5


def test_r1_leads_to_the_equilibrium_and_wgan_gp_does_not():
    def end(**penalty):
        game = DiracGAN(**penalty)
        return game.orbit((1.0, 1.0), step_size=0.2, n_steps=400, alternating=True)[-50:]

    assert end(r1_gamma=1.0).norm(dim=1).max() < 1e-3
    assert end(loss=losses.WASSERSTEIN, gradient_penalty=1.0).norm(dim=1).min() > 0.5


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="pairs generated with real"):
        DiracGAN(losses.RELATIVISTIC)
    with pytest.raises(ValueError, match="positive step size"):
        DiracGAN().orbit((1.0, 1.0), step_size=0.0, n_steps=3)
    with pytest.raises(ValueError, match="at least one step"):
        DiracGAN().orbit((1.0, 1.0), step_size=0.1, n_steps=0)


def test_there_is_no_jacobian_where_the_field_jumps():
    game = DiracGAN(gradient_penalty=1.0)
    step = torch.tensor([[0.0, 1e-6]], dtype=torch.float64)
    assert (game.field(step) - game.field(-step)).abs().max() > 1  # however small the step
    with pytest.raises(ValueError, match="no derivative"):
        game.jacobian()


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["r1_gamma", "gradient_penalty"])
def test_a_penalty_has_a_weight_of_zero_or_more(name, weight):
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and finite"):
        DiracGAN(**{name: weight})
