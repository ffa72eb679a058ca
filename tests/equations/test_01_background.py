"""Equations of the page on the background."""

import math
from itertools import pairwise

import pytest
import torch

from aigc_tutorial.exercises.page_01 import denoising_step, price_of_thousand


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("background-noising")
def test_mixture_keeps_the_variance_of_data_with_variance_one():
    x, noise = torch.randn(2, 200_000, generator=random())
    for t in (0.0, 0.3, 0.8, 1.0):
        mixture = math.cos(math.pi * t / 2) * x + math.sin(math.pi * t / 2) * noise
        assert mixture.var() == pytest.approx(1, abs=0.02)
    assert torch.equal(math.cos(0) * x + math.sin(0) * noise, x)
    end = math.cos(math.pi / 2) * x + math.sin(math.pi / 2) * noise
    torch.testing.assert_close(end, noise, rtol=0, atol=1e-6)


@pytest.mark.equation("background-denoising")
def test_the_least_squared_error_is_that_of_the_conditional_mean():
    """For Gaussian data the conditional mean is known: compare it with a fitted line."""
    mean, std, t = 1.5, 0.7, 0.4
    a, s = math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)
    x, noise = torch.randn(2, 400_000, generator=random(), dtype=torch.float64)
    mixture = a * (mean + std * x) + s * noise
    design = torch.stack([mixture, torch.ones_like(mixture)], dim=1)
    slope, offset = torch.linalg.lstsq(design, noise[:, None]).solution[:, 0]
    by_hand = s / (a**2 * std**2 + s**2)
    assert float(slope) == pytest.approx(by_hand, rel=0.01)
    assert float(offset) == pytest.approx(-by_hand * a * mean, rel=0.01)
    best = (noise - by_hand * (mixture - a * mean)).square().mean()
    for other in (0.9 * by_hand, 1.1 * by_hand):
        assert (noise - other * (mixture - a * mean)).square().mean() > best


@pytest.mark.equation("background-denoising")
def test_the_conditional_mean_bends_and_nothing_has_a_smaller_error():
    """Data at -1 and +1 alone: by Bayes' rule the mean noise is no line in the mixture."""
    t, n = 0.5, 400_000
    a, s = math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)
    sign = (torch.rand(n, generator=random()) < 0.5).double() * 2 - 1
    noise = torch.randn(n, generator=random(1), dtype=torch.float64)
    mixture = a * sign + s * noise
    best = (mixture - a * torch.tanh(a * mixture / s**2)) / s
    for low in (-1.5, -0.6, 0.0, 0.4, 1.2):  # what the noise was where the mixture is about this
        here = (mixture > low) & (mixture < low + 0.05)
        error = noise[here].std() / here.sum() ** 0.5
        assert abs(noise[here].mean() - best[here].mean()) < 4 * error
    least = (noise - best).square().mean()
    line = (noise * mixture).mean() / mixture.square().mean() * mixture
    for other in (line, 0.9 * best, best + 0.1, mixture / s, torch.zeros(n).double()):
        assert (noise - other).square().mean() > least + 1e-3


@pytest.mark.equation("background-step")
@pytest.mark.parametrize(("t", "s"), [(0.9, 0.8), (0.6, 0.1), (0.2, 0.0)])
def test_a_step_with_the_true_noise_stays_on_the_path(t, s):
    x, noise = torch.randn(2, 5, 2, generator=random(), dtype=torch.float64)

    def mixture(time):
        return math.cos(math.pi * time / 2) * x + math.sin(math.pi * time / 2) * noise

    a, b = math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)
    guess = (mixture(t) - b * noise) / a
    step = math.cos(math.pi * s / 2) * guess + math.sin(math.pi * s / 2) * noise
    torch.testing.assert_close(step, mixture(s))
    torch.testing.assert_close(denoising_step(mixture(t), guess, t, s), mixture(s))


@pytest.mark.equation("background-price")
def test_price_is_that_of_the_hours_that_a_thousand_take():
    rate, price = 40.0, 1.8
    seconds = sum(1 / rate for _ in range(1000))
    assert price_of_thousand(rate, price) == pytest.approx(seconds / 3600 * price)


@pytest.mark.equation("background-forgetting")
def test_a_step_counts_half_after_as_many_visits_as_the_half_life():
    states = [0, 1, *[0, 0] * 3, 0]  # one step from 0 to 1, then seven visits to state 0
    steps = list(pairwise(states))
    later_visits = sum(a == 0 for a, _ in steps[1:])
    kept = 2 ** (-1 / later_visits)
    counts = torch.zeros(2, 2, dtype=torch.float64)
    for a, b in steps:
        counts[a] = kept * counts[a] + torch.eye(2, dtype=torch.float64)[b]
    assert float(counts[0, 1]) == pytest.approx(0.5)
    assert float(counts[0].sum()) == pytest.approx(
        sum(kept**age for age in range(later_visits + 1))
    )


@pytest.mark.equation("background-forgetting")
@pytest.mark.parametrize("half_life", [3.0, math.inf])
def test_a_probability_is_a_share_of_steps_weighted_by_their_age(half_life):
    states = torch.randint(3, (200,), generator=random()).tolist()
    counts = torch.zeros(3, 3, dtype=torch.float64)
    for a, b in pairwise(states):
        counts[a] *= 2 ** (-1 / half_life)
        counts[a, b] += 1
    for a in range(3):
        after = [y for x, y in pairwise(states) if x == a][::-1]  # the latest first
        weights = [0.5 ** (age / half_life) for age in range(len(after))]
        for b in range(3):
            share = sum(w for w, y in zip(weights, after, strict=True) if y == b) / sum(weights)
            assert float(counts[a, b] / counts[a].sum()) == pytest.approx(share)
            if half_life == math.inf:
                assert share == after.count(b) / len(after)
