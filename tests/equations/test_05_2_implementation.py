"""Both sides of every equation of page 5.2, computed."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import softplus

from aigc_tutorial.gan import losses

logit = st.floats(-25, 25)
logits = st.lists(logit, min_size=1, max_size=8)


def sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def double(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.equation("implementation-losses")
@given(logit)
def test_logarithms_of_a_probability_are_softplus_of_its_logit(a):
    # The sigmoid of -a is 1 - sigmoid(a) without the rounding of a number near 1.
    assert -math.log(sigmoid(a)) == pytest.approx(softplus(double([-a])).item(), abs=1e-8)
    assert -math.log(sigmoid(-a)) == pytest.approx(softplus(double([a])).item(), abs=1e-8)
    assert 1 - sigmoid(a) == pytest.approx(sigmoid(-a), abs=1e-8)
    assert math.log(1 + math.exp(a)) == pytest.approx(softplus(double([a])).item(), abs=1e-8)


def test_softplus_is_finite_where_the_logarithm_of_a_sigmoid_is_not():
    a = torch.tensor([-200.0])
    assert torch.log(torch.sigmoid(a)).isneginf().all()
    assert softplus(-a).item() == 200


@pytest.mark.equation("implementation-losses")
@given(logits)
def test_discriminator_loss_is_the_mean_cross_entropy_of_both_batches(real):
    fake = [a / 2 - 1 for a in reversed(real)]
    n = len(real)
    by_hand = -sum(math.log(sigmoid(a)) for a in real) / n
    by_hand -= sum(math.log(sigmoid(-a)) for a in fake) / n
    loss = losses.NON_SATURATING.discriminator(double(real), double(fake))
    assert loss.item() == pytest.approx(by_hand, rel=1e-8, abs=1e-8)


@pytest.mark.equation("implementation-losses")
@given(logits)
def test_generator_loss_is_the_mean_negative_logarithm_of_its_probability(fake):
    by_hand = -sum(math.log(sigmoid(a)) for a in fake) / len(fake)
    loss = losses.NON_SATURATING.generator(double(fake))
    assert loss.item() == pytest.approx(by_hand, rel=1e-8, abs=1e-8)


@pytest.mark.equation("implementation-gradient")
@given(logit)
def test_derivative_of_minus_the_probability(a):
    step, p = 1e-4, sigmoid(a)

    def slope(function):
        return (function(a + step) - function(a - step)) / (2 * step)

    def close_to(value):
        return pytest.approx(value, rel=1e-4, abs=1e-8)

    assert slope(lambda t: -sigmoid(t)) == close_to(-p * (1 - p))
    # At both ends it is smaller than that of the loss which speaks there.
    assert p * (1 - p) <= min(p, 1 - p)
