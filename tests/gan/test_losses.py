"""Losses against their textbook formulas, their derivatives and their fixed points."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from aigc_tutorial.gan import losses

logits = st.lists(st.floats(-20, 20, width=32, allow_subnormal=False), min_size=1, max_size=8).map(
    torch.tensor
)
PAIRED = [
    losses.MINIMAX,
    losses.NON_SATURATING,
    losses.LEAST_SQUARES,
    losses.HINGE,
    losses.WASSERSTEIN,
]


@given(logits)
def test_minimax_discriminator_is_binary_cross_entropy(a):
    real, fake = a, a.flip(0) - 1
    expected = binary_cross_entropy_with_logits(real, torch.ones_like(real))
    expected += binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    torch.testing.assert_close(losses.minimax_discriminator_loss(real, fake), expected)


@pytest.mark.parametrize("loss", PAIRED, ids=lambda loss: loss.name)
def test_swapping_the_labels_changes_the_discriminator_loss(loss):
    confident_real, confident_fake = torch.full((4,), 3.0), torch.full((4,), -3.0)
    right = loss.discriminator(confident_real, confident_fake)
    wrong = loss.discriminator(confident_fake, confident_real)
    assert wrong > right + 1


@pytest.mark.parametrize("a", [-100.0, -10.0, 0.0, 10.0, 100.0])
def test_generator_gradients_match_their_closed_forms(a):
    logit = torch.tensor([a], requires_grad=True)
    (saturating,) = torch.autograd.grad(losses.saturating_generator_loss(logit), logit)
    (non_saturating,) = torch.autograd.grad(losses.non_saturating_generator_loss(logit), logit)
    sigma = 1 / (1 + math.exp(-a))
    assert saturating.item() == pytest.approx(-sigma, abs=1e-6)
    assert non_saturating.item() == pytest.approx(-(1 - sigma), abs=1e-6)


def test_losses_stay_finite_where_a_logarithm_of_a_sigmoid_does_not():
    extreme = torch.tensor([200.0])
    assert torch.log(1 - torch.sigmoid(extreme)).isinf().all()
    assert losses.saturating_generator_loss(extreme).item() == pytest.approx(-200.0)
    assert losses.non_saturating_generator_loss(-extreme).item() == pytest.approx(200.0)


@pytest.mark.parametrize("loss", PAIRED, ids=lambda loss: loss.name)
def test_generator_loss_falls_as_samples_score_higher(loss):
    low, high = loss.generator(torch.tensor([-0.5])), loss.generator(torch.tensor([0.5]))
    assert high < low


def test_relativistic_loss_depends_on_differences_alone():
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    shifted = losses.relativistic_discriminator_loss(real + 7, fake + 7)
    torch.testing.assert_close(losses.relativistic_discriminator_loss(real, fake), shifted)
    # The game is symmetric: the generator's loss is the discriminator's with the roles exchanged.
    torch.testing.assert_close(
        losses.relativistic_generator_loss(real, fake),
        losses.relativistic_discriminator_loss(fake, real),
    )


def test_relativistic_loss_pairs_samples_and_does_not_average_first():
    real, fake = torch.tensor([4.0, -4.0]), torch.tensor([0.0, 0.0])
    expected = (math.log1p(math.exp(-4)) + math.log1p(math.exp(4))) / 2
    assert losses.relativistic_discriminator_loss(real, fake).item() == pytest.approx(expected)


def test_hinge_ignores_scores_beyond_the_margin():
    assert losses.hinge_discriminator_loss(torch.tensor([5.0]), torch.tensor([-5.0])) == 0
    assert losses.hinge_discriminator_loss(torch.tensor([1.0]), torch.tensor([-1.0])) == 0


@given(logits)
def test_hinge_is_its_formula(a):
    real, fake = a, a.flip(0) - 1
    expected = [max(0, 1 - r) + max(0, 1 + f) for r, f in zip(real, fake, strict=True)]
    actual = losses.hinge_discriminator_loss(real, fake).item()
    assert actual == pytest.approx(sum(float(e) for e in expected) / len(a), rel=1e-5)


@pytest.mark.parametrize(
    "loss", [losses.hinge_generator_loss, losses.wasserstein_generator_loss], ids=["hinge", "w1"]
)
def test_generator_of_hinge_and_wasserstein_pulls_the_mean_score_up(loss):
    assert loss(torch.tensor([2.0, 4.0])).item() == pytest.approx(-3.0)


def test_wasserstein_critic_estimates_a_difference_of_means():
    real, fake = torch.tensor([2.0, 4.0]), torch.tensor([1.0, 1.0])
    assert losses.wasserstein_critic_loss(real, fake).item() == pytest.approx(-2.0)


def test_least_squares_weighs_both_halves_by_one_half():
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([2.0, 4.0])
    expected = 0.5 * (4 + 0) / 2 + 0.5 * (4 + 16) / 2
    assert losses.least_squares_discriminator_loss(real, fake).item() == pytest.approx(expected)


def test_least_squares_targets_are_one_and_zero():
    ones, zeros = torch.ones(3), torch.zeros(3)
    assert losses.least_squares_discriminator_loss(ones, zeros) == 0
    assert losses.least_squares_generator_loss(ones) == 0
    assert losses.least_squares_generator_loss(zeros).item() == pytest.approx(0.5)


def test_logits_that_would_be_broadcast_are_refused_with_both_shapes():
    """As a reader meets it: without the check of shapes that is on in the tests alone."""
    message = (
        r"need logits of one shape, got \(3,\) and \(2,\); a discriminator returns shape \(B,\)$"
    )
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(losses._check_pairs)(torch.zeros(3), torch.zeros(2))
