"""What diverges or cannot be held in float32 is an error, never a number."""

import math
import warnings
from dataclasses import replace

import pytest
import torch

from aigc_tutorial import evaluation
from aigc_tutorial.evaluation import TwoSampleConfig
from tests.evaluation import small_inputs as doors


def normal(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 2, generator=doors.seeded(seed))


@pytest.mark.parametrize("rate", [1e15, 1e30])
def test_a_diverging_two_sample_test(rate):
    config = replace(doors.QUICK, n_samples_shown=2000, learning_rate=rate)
    with pytest.raises((FloatingPointError, ValueError), match=r"diverged|NaN or infinite"):
        evaluation.classifier_two_sample_test(
            1e8 * normal(100, 0), 1e8 * normal(100, 1), rng=doors.seeded(), config=config
        )


def test_a_diverging_classifier():
    config = replace(doors.SHORT, n_images=400, learning_rate=1e30)
    with pytest.raises((FloatingPointError, ValueError), match=r"diverged|NaN or infinite"):
        evaluation.train_classifier(
            doors.images(), doors.LABELS, seed=0, config=config, model_config=doors.SIZES
        )


def test_samples_beyond_float32():
    x = 1e39 * normal(100, 0).double()
    with pytest.raises(ValueError, match=r"x_real must fit into float32.*standard deviation"):
        evaluation.classifier_two_sample_test(x, x + 1e39, rng=doors.seeded(), config=doors.QUICK)


def test_squares_beyond_float32_are_told_apart():
    config = TwoSampleConfig(n_samples_shown=5_000)
    for scale in (1.0, 1e25):
        found = evaluation.classifier_two_sample_test(
            scale * normal(400, 0), scale * (normal(400, 1) + 5), rng=doors.seeded(), config=config
        )
        assert found.accuracy > 0.95


def test_two_samples_of_two_rows():
    config = TwoSampleConfig(batch_size=2, n_samples_shown=20)
    x = normal(4, 0)[:, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="need at least 4"):
            evaluation.classifier_two_sample_test(x[:2], x[2:], rng=doors.seeded(), config=config)
        found = evaluation.classifier_two_sample_test(x, x + 1, rng=doors.seeded(), config=config)
    assert 0 <= found.accuracy <= 1


def test_real_samples_that_are_all_equal():
    x = torch.full((100, 2), 3.0)
    found = evaluation.classifier_two_sample_test(
        x, x + 2, rng=doors.seeded(), config=TwoSampleConfig(n_samples_shown=5_000)
    )
    assert found.accuracy == 1


@pytest.mark.parametrize("name", ["predict", "accuracy", "from_images", "frechet_metric"])
def test_a_network_with_nan(name):
    network = doors.classifier()
    # The metric does not use the head.
    broken = network.hidden if name == "frechet_metric" else network.head
    with torch.no_grad():
        broken.bias.fill_(math.nan)
    with pytest.raises(ValueError, match=r"classifier's (features|logits).*NaN or infinite"):
        doors.OF_IMAGES[name](doors.images(), network)


def test_the_metric_of_a_classifier_in_half_precision():
    network, images = doors.classifier(), doors.images()
    found = []
    for classifier in (network, doors.classifier().half()):
        metric = evaluation.frechet_metric(
            classifier, evaluation.feature_statistics(evaluation.predict(network, images).features)
        )
        metric.update(doors.images(3), real=False)
        found.append(metric.compute())
    torch.testing.assert_close(found[0], found[1], rtol=0.05, atol=1e-3)
