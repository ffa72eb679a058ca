"""Both sides of every equation of page 3.2.1, computed."""

import math

import pytest
import torch
from torch.distributions import Normal

from aigc_tutorial import evaluation


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("steps-best-accuracy")
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.0, 1.0), (0.0, 3.0), (40.0, 1.0)])
def test_the_best_classifier_and_the_total_variation(mean, std):
    x = torch.linspace(-60, 60, 240_001, dtype=torch.float64)
    spacing = 120 / 240_000
    real = Normal(torch.zeros(()).double(), 1.0)
    fake = Normal(torch.tensor(mean).double(), std)
    p, q = real.log_prob(x).exp(), fake.log_prob(x).exp()
    total_variation = 0.5 * float((p - q).abs().sum()) * spacing
    best = 0.5 * float(torch.maximum(p, q).sum()) * spacing
    assert best == pytest.approx(0.5 + 0.5 * total_variation, abs=1e-6)
    n = 100_000  # and by answering "real" where p > q
    z = torch.randn(2, n, generator=seeded(1), dtype=torch.float64)
    sample_real, sample_fake = z[0], mean + std * z[1]
    right = (real.log_prob(sample_real) > fake.log_prob(sample_real)).double().mean()
    right += (real.log_prob(sample_fake) <= fake.log_prob(sample_fake)).double().mean()
    assert float(right) / 2 == pytest.approx(best, abs=4 * 0.5 / math.sqrt(2 * n))


@pytest.mark.equation("steps-null-accuracy")
def test_accuracy_where_there_is_nothing_to_tell():
    """Any fixed rule, half of the answers to each kind: mean 1/2 and at most this deviation."""
    n, n_tests = 400, 4_000
    for threshold in (0.0, 1.0):
        real, fake = torch.randn(2, n_tests, n // 2, generator=seeded(2)) > threshold
        accuracy = (real.double().sum(1) + (~fake).double().sum(1)) / n
        assert float(accuracy.mean()) == pytest.approx(0.5, abs=2e-3)
        share = 1 - Normal(0.0, 1.0).cdf(torch.tensor(threshold)).item()
        # Answers with probability 1/2 each reach the bound; a rule that prefers one stays below.
        deviation = math.sqrt(share * (1 - share) / n)
        assert float(accuracy.std()) == pytest.approx(deviation, rel=0.05)
        assert deviation <= 0.5 / math.sqrt(n)
    result = evaluation.classifier_two_sample_test(
        torch.randn(400, 2, generator=seeded(3)),
        torch.randn(400, 2, generator=seeded(4)),
        rng=seeded(5),
        config=evaluation.TwoSampleConfig(n_samples_shown=1_000),
    )
    assert result.standard_error == 0.5 / math.sqrt(result.n_test)
    assert abs(result.accuracy - 0.5) < 4 * result.standard_error
