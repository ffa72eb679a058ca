"""Equations of the walkthrough: a descent that overflows, and what saves and failures cost."""

import math

import pytest
import torch


def steps_until_infinite(step_size, curvature):
    """Take steps on the parabola in float32 until the weight is not finite."""
    w, n = torch.ones(1), 0
    while w.isfinite():
        w, n = (1 - step_size * curvature) * w, n + 1
    return n


@pytest.mark.equation("walkthrough-overflow")
@pytest.mark.parametrize(
    ("step_size", "curvature"), [(3.0, 1.0), (0.5, 8.0), (1.0, 2.5), (0.21, 10.0), (-1.0, 1.0)]
)
def test_a_weight_overflows_after_so_many_steps(step_size, curvature):
    factor = abs(1 - step_size * curvature)
    n = math.ceil(128 * math.log(2) / math.log(factor))
    assert steps_until_infinite(step_size, curvature) == n


def lost(interval, cost, between):
    return cost / interval + interval / (2 * between)


def lost_exactly(interval, cost, between):
    """Share that is lost when failures come at random, by the expected time of one interval.

    To get through interval and save without a failure takes M (exp((interval + cost) / M) - 1)
    seconds on average, failures included.
    """
    return 1 - interval / (between * math.expm1((interval + cost) / between))


@pytest.mark.equation("walkthrough-lost-time")
@pytest.mark.parametrize("interval", [20.0, 44.7, 100.0])
def test_the_share_is_right_where_saves_are_short_and_failures_rare(interval):
    """The error is of second order: it falls four times as fast when both shares are halved."""
    errors = []
    for scale in (1, 4, 16):
        cost, between = 1 / scale, 1_000 * scale
        exact = lost_exactly(interval, cost, between)
        errors.append(abs(lost(interval, cost, between) - exact) / exact)
    assert errors[0] < 0.07
    assert errors[1] < 0.4 * errors[0]
    assert errors[2] < 0.4 * errors[1]


@pytest.mark.equation("walkthrough-lost-time")
def test_a_failure_costs_half_an_interval_on_average():
    rng = torch.Generator().manual_seed(0)
    lifetimes = -10_000 * torch.log1p(-torch.rand(200_000, generator=rng, dtype=torch.float64))
    assert float((lifetimes % 100).mean()) == pytest.approx(50, abs=0.5)


@pytest.mark.equation("walkthrough-interval")
@pytest.mark.parametrize(("cost", "between"), [(1.0, 1_000.0), (0.05, 3_600.0), (30.0, 86_400.0)])
def test_no_interval_loses_less(cost, between):
    best = math.sqrt(2 * cost * between)
    assert lost(best, cost, between) == pytest.approx(math.sqrt(2 * cost / between))
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert lost(factor * best, cost, between) > lost(best, cost, between)
    interval = torch.tensor(best, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(cost / interval + interval / (2 * between), interval)
    assert float(slope) == pytest.approx(0, abs=1e-12)
