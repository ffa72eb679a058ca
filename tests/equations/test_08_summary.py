"""Equations of the summary: what is lost when models learn from models."""

import pytest
import torch

from aigc_tutorial.exercises.page_08 import kinds_lost, variance_left


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def refitted(samples):
    """Mean and variance by the two sums of the equation."""
    mean = sum(samples) / len(samples)
    return mean, sum((x - mean) ** 2 for x in samples) / len(samples)


@pytest.mark.equation("summary-refit")
def test_the_two_sums_are_the_fit_of_greatest_likelihood():
    """No other mean and variance make the samples more probable."""
    samples = torch.randn(50, generator=random(), dtype=torch.float64)
    mean, variance = refitted(samples.tolist())

    def log_likelihood(mean, variance):
        normal = torch.distributions.Normal(mean, variance**0.5)
        return float(normal.log_prob(samples).sum())

    best = log_likelihood(mean, variance)
    for shift, factor in ((0.01, 1), (-0.01, 1), (0, 1.02), (0, 0.98)):
        assert log_likelihood(mean + shift, variance * factor) < best
    assert mean == pytest.approx(float(samples.mean()))
    assert variance == pytest.approx(float(samples.var(correction=0)))


@pytest.mark.equation("summary-variance")
def test_each_generation_keeps_the_share_1_minus_1_over_n_on_average():
    n, n_lines = 5, 200_000
    rng = random()
    std = torch.ones(n_lines, dtype=torch.float64)
    for generation in range(1, 4):
        drawn = std * torch.randn(n, n_lines, generator=rng, dtype=torch.float64)
        std = drawn.std(dim=0, correction=0)
        expected = (1 - 1 / n) ** generation
        assert float(std.square().mean()) == pytest.approx(expected, rel=0.02)
        assert variance_left(1.0, n, generation) == pytest.approx(expected)


@pytest.mark.equation("summary-kinds")
def test_lost_words_are_counted_as_the_sum_says():
    weights = torch.rand(200, generator=random(), dtype=torch.float64) ** 4
    shares = weights / weights.sum()
    drawn = torch.multinomial(shares.expand(2_000, -1), 150, replacement=True, generator=random(1))
    seen = torch.zeros(2_000, 200).scatter_(1, drawn, 1.0)
    mean_lost = float((200 - seen.sum(dim=1)).mean())
    assert mean_lost == pytest.approx(float(((1 - shares) ** 150).sum()), abs=0.5)
    assert kinds_lost(shares, 150) == pytest.approx(mean_lost, abs=0.5)
