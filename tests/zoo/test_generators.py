"""The cards of the zoo's generators are true: their numbers come back from their weights."""

import pytest
import torch

from aigc_tutorial import zoo
from aigc_tutorial.evaluation import (
    class_report,
    class_shares,
    feature_statistics,
    frechet_distance,
    kl_to_uniform,
    predict,
)
from aigc_tutorial.zoo.training.gan import N_SAMPLES, SAMPLE_SEED

GENERATORS = ("mnist-conditional-gan", "mnist-conv-gan", "mnist-mixture-gan", "mnist-mlp-gan")


def drawn(name):
    """What the card was measured on: samples, and the classes that were asked for."""
    generator = zoo.load(name)
    has_classes = getattr(generator.config, "n_classes", None) is not None
    labels = torch.arange(N_SAMPLES) % 10 if has_classes else None
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    return generator.sample(N_SAMPLES, labels, rng=rng), labels


@pytest.mark.parametrize("name", GENERATORS)
def test_card_is_measured_again(name):
    metrics, (samples, labels) = zoo.card(name).metrics, drawn(name)
    prediction = predict(zoo.load("mnist-classifier"), samples)
    statistics = feature_statistics(prediction.features)
    distance = frechet_distance(statistics, zoo.digit_reference().statistics)
    shares = class_shares(prediction.labels)
    # Another processor rounds differently; a digit on the edge may change its class.
    assert distance == pytest.approx(metrics["frechet"].value, rel=0.01)
    assert kl_to_uniform(shares) == pytest.approx(metrics["kl_to_uniform"].value, abs=2e-3)
    assert shares.min().item() == pytest.approx(metrics["rarest_share"].value, abs=2e-3)
    assert ("class_agreement" in metrics) == (labels is not None)
    if labels is not None:
        report = class_report(samples, labels, zoo.load("mnist-classifier"), zoo.digit_reference())
        assert report.agreement == pytest.approx(metrics["class_agreement"].value, abs=2e-3)
        within = metrics["frechet_within_classes"].value
        assert report.frechet == pytest.approx(within, rel=0.01)


def test_the_convolutional_generator_is_near_to_real_digits():
    """Within ten times the distance of real training digits from real test digits."""
    real = zoo.card("mnist-classifier").metrics["frechet_real_train"].value
    assert zoo.card("mnist-conv-gan").metrics["frechet"].value < 10 * real


def test_the_convolutional_generator_draws_every_digit():
    assert zoo.card("mnist-conv-gan").metrics["rarest_share"].value > 0.06


def test_the_conditional_generator_draws_what_is_asked_for():
    """As often as the classifier names real ones, and near to the real ones of each class."""
    metrics = zoo.card("mnist-conditional-gan").metrics
    assert metrics["class_agreement"].value > 0.98
    assert metrics["frechet_within_classes"].value < (
        4 * metrics["frechet_within_classes_real"].value
    )
