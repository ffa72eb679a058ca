"""Classifier two-sample test: its level on equal distributions, its power on different ones."""

import pytest
import torch

from aigc_tutorial.evaluation import TwoSampleConfig, classifier_two_sample_test

QUICK = TwoSampleConfig(n_samples_shown=2000, batch_size=50, width=8)
THOROUGH = TwoSampleConfig(n_samples_shown=10_000, batch_size=50, learning_rate=5e-3, width=16)


def normal(n: int, seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def test_rejects_equal_distributions_at_about_the_nominal_rate():
    n_trials = 100
    results = [
        classifier_two_sample_test(
            normal(200, 2 * s, 2),
            normal(200, 2 * s + 1, 2),
            rng=torch.Generator().manual_seed(s),
            config=QUICK,
        )
        for s in range(n_trials)
    ]
    n_rejected = sum(result.p_value < 0.1 for result in results)
    # Binomial(100, 0.1) has standard deviation 3.
    assert 1 <= n_rejected <= 20
    mean = sum(result.accuracy for result in results) / n_trials
    assert mean == pytest.approx(0.5, abs=4 * results[0].standard_error / n_trials**0.5)


def test_tells_noise_from_images():
    images = normal(400, 0, 1, 12, 12).cumsum(dim=3)
    noise = 3 * normal(400, 1, 1, 12, 12)
    result = classifier_two_sample_test(
        images, noise, rng=torch.Generator().manual_seed(0), config=THOROUGH
    )
    assert result.accuracy > 0.95
    assert result.p_value < 1e-9


def test_standard_error_and_test_size():
    result = classifier_two_sample_test(
        normal(300, 0, 2),
        normal(200, 1, 2),
        rng=torch.Generator().manual_seed(0),
        config=QUICK,
    )
    assert result.n_test == 200
    assert result.standard_error == pytest.approx(0.5 / 200**0.5)


def test_input_scale_does_not_matter():
    a, b = normal(300, 0, 2), normal(300, 1, 2) + 2

    def run(scale: float) -> float:
        return classifier_two_sample_test(
            scale * a, scale * b, rng=torch.Generator().manual_seed(0), config=THOROUGH
        ).accuracy

    assert run(1000.0) == pytest.approx(run(1.0), abs=0.02)
    assert run(1.0) > 0.85


def test_random_numbers_come_from_the_generator_alone():
    a, b = normal(200, 0, 2), normal(200, 1, 2) + 0.5

    def run() -> float:
        return classifier_two_sample_test(
            a, b, rng=torch.Generator().manual_seed(5), config=QUICK
        ).accuracy

    before = torch.get_rng_state()
    first = run()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert run() == first


def test_refusals():
    generator = torch.Generator()
    with pytest.raises(ValueError, match="need at least 100"):
        classifier_two_sample_test(normal(99, 0, 2), normal(200, 1, 2), rng=generator)
    with pytest.raises(ValueError, match="vectors"):
        classifier_two_sample_test(normal(200, 0, 2, 2), normal(200, 1, 2, 2), rng=generator)
    with pytest.raises(ValueError, match="Rows of x_real"):
        classifier_two_sample_test(normal(200, 0, 2), normal(200, 1, 3), rng=generator)
    with pytest.raises(ValueError, match="x_fake holds"):
        classifier_two_sample_test(
            normal(200, 0, 2), normal(200, 1, 2) * float("inf"), rng=generator
        )
