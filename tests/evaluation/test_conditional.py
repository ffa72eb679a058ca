"""Digits that were asked for by their class."""

import pytest
import torch

from aigc_tutorial.evaluation import (
    DigitReference,
    class_report,
    feature_statistics,
    frechet_distance,
    predict,
)
from tests.evaluation import small_inputs


@pytest.mark.parametrize("shift", [0, 1])
def test_a_model_that_does_not_listen(shift):
    """The real digits themselves, asked for as another class: near over all, far within each."""
    network = small_inputs.classifier()
    labels, x = small_inputs.LABELS, small_inputs.images(2)
    x = (x.abs() * (labels.view(-1, 1, 1, 1) + 1) / 5 - 1).clamp(-1, 1)  # a brightness a class
    # Untrained, the network answers all images alike; with the statistics of these it tells them.
    network.train()
    with torch.no_grad():
        for _ in range(100):
            network(x)
    network.eval()
    reference = DigitReference.from_images(network, x, labels)
    asked = (labels + shift) % 10
    report = class_report(x, asked, network, reference)
    features = predict(network, x).features
    expected = [
        frechet_distance(
            feature_statistics(features[asked == c]),
            feature_statistics(reference.features[labels == c]),
        )
        for c in range(10)
    ]
    assert report.frechets == pytest.approx(expected)
    assert report.frechet == pytest.approx(sum(expected) / 10)
    named = predict(network, x).labels
    assert report.agreement == pytest.approx((named == asked).double().mean().item())
    assert report.agreements[3] == pytest.approx((named[asked == 3] == 3).double().mean().item())
    assert report.n_samples == 120
    if shift == 0:
        assert report.frechet < 1e-4
    else:
        assert min(report.frechets) > 1e-3


def test_refusals():
    network = small_inputs.classifier()
    reference = small_inputs.reference(network)
    x, labels = small_inputs.images(), small_inputs.LABELS
    with pytest.raises(ValueError, match="got 0 images of a class, need at least 4 of each"):
        class_report(x, labels.clamp(max=8), network, reference)
    with pytest.raises(ValueError, match="between 0 and 9"):
        class_report(x, labels + 1, network, reference)
    with pytest.raises(ValueError, match="120 images and 119 labels"):
        class_report(x, labels[:-1], network, reference)
