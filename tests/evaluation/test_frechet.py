"""Fréchet distance: closed forms, two independent implementations, refusals."""

import dataclasses
import math
from inspect import unwrap

import numpy as np
import pytest
import scipy.linalg  # type: ignore[import-untyped]
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from aigc_tutorial.evaluation import (
    DigitClassifier,
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    frechet_metric,
    predict,
)
from tests.evaluation import small_inputs


def features(n: int, n_features: int, seed: int) -> torch.Tensor:
    """Correlated, non-negative features such as a ReLU gives."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(n_features, n_features, generator=generator)
    return (torch.randn(n, n_features, generator=generator) @ mixing + 0.3 * seed).relu()


def gaussian(mean: torch.Tensor, covariance: torch.Tensor) -> FeatureStatistics:
    return FeatureStatistics(mean.double(), covariance.double(), 1000)


def test_statistics_are_mean_and_unbiased_covariance():
    x = features(50, 7, seed=1)
    statistics = feature_statistics(x)
    np.testing.assert_allclose(statistics.mean, x.double().numpy().mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        statistics.covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-10, atol=1e-12
    )
    assert statistics.n_samples == 50


def test_distance_of_a_set_from_itself_is_zero():
    statistics = feature_statistics(features(500, 16, seed=1))
    assert frechet_distance(statistics, statistics) == pytest.approx(0, abs=1e-5)


def test_distance_is_symmetric():
    a = feature_statistics(features(300, 12, seed=1))
    b = feature_statistics(features(400, 12, seed=2))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_shifted_gaussians_are_as_far_as_their_means():
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    a = gaussian(torch.tensor([0.0, 0.0]), covariance)
    b = gaussian(torch.tensor([3.0, 4.0]), covariance)
    assert frechet_distance(a, b) == pytest.approx(25, rel=1e-9)


def test_diagonal_gaussians_have_the_closed_form():
    sigma_a, sigma_b = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([4.0, 2.0, 3.0])
    mean = torch.zeros(3)
    distance = frechet_distance(
        gaussian(mean, sigma_a.square().diag()), gaussian(mean + 1, sigma_b.square().diag())
    )
    assert distance == pytest.approx(3 + (sigma_a - sigma_b).square().sum().item(), rel=1e-9)


def test_agrees_with_the_matrix_square_root():
    a = feature_statistics(features(300, 20, seed=1))
    b = feature_statistics(features(300, 20, seed=2))
    root = scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy()).real
    expected = np.square(a.mean.numpy() - b.mean.numpy()).sum() + np.trace(
        a.covariance.numpy() + b.covariance.numpy() - 2 * root
    )
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_agrees_with_torchmetrics_on_features():
    real, fake = features(300, 20, seed=1).double(), features(500, 20, seed=2).double()

    class Features(torch.nn.Identity):
        num_features = 20

    metric = FrechetInceptionDistance(feature=Features())
    metric.update(real, real=True)
    metric.update(fake, real=False)
    ours = frechet_distance(feature_statistics(real), feature_statistics(fake))
    assert ours == pytest.approx(metric.compute().item(), rel=1e-8)


def test_distance_falls_with_the_number_of_samples():
    # The bias that forbids comparing distances from different numbers of samples.
    generator = torch.Generator().manual_seed(0)
    truth = gaussian(torch.zeros(16), torch.eye(16))

    def mean_distance(n: int) -> float:
        draws = [torch.randn(n, 16, generator=generator) for _ in range(20)]
        return sum(frechet_distance(feature_statistics(x), truth) for x in draws) / len(draws)

    small, large = mean_distance(50), mean_distance(500)
    assert small > 5 * large > 0


@pytest.mark.parametrize("n", [1, 8])
def test_needs_more_samples_than_features(n):
    with pytest.raises(ValueError, match="at least 9: the number of samples must exceed the 8"):
        feature_statistics(torch.zeros(n, 8))


def test_refuses_nan():
    x = features(50, 8, seed=1)
    x[3, 4] = math.nan
    with pytest.raises(ValueError, match="1 entries that are NaN"):
        feature_statistics(x)
    mean = torch.zeros(2)
    with pytest.raises(ValueError, match=r"b\.mean"):
        frechet_distance(gaussian(mean, torch.eye(2)), gaussian(mean + math.nan, torch.eye(2)))


def test_refuses_different_feature_spaces():
    with pytest.raises(ValueError, match="same feature extractor"):
        frechet_distance(
            gaussian(torch.zeros(2), torch.eye(2)), gaussian(torch.zeros(3), torch.eye(3))
        )


def test_statistics_that_were_stored_as_arrays():
    known = feature_statistics(features(20, 3, seed=1))
    stored = object.__new__(FeatureStatistics)
    begin = unwrap(FeatureStatistics.__init__)
    begin(stored, known.mean.numpy(), known.covariance.tolist(), 20)
    assert frechet_distance(stored, known) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match=r"of shape \(F, F\), got \(3, 3\) and \(3, 3\)"):
        begin(stored, known.covariance, known.covariance, 20)


class TestMetric:
    """The torchmetrics form of the distance."""

    @pytest.fixture(scope="class")
    def classifier(self) -> DigitClassifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return DigitClassifier().eval()

    @pytest.fixture(scope="class")
    def images(self) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        real = 2 * torch.rand(200, 1, 28, 28, generator=generator) - 1
        return real, 0.5 * real.flip(0)

    def test_equals_the_six_lines(self, classifier, images):
        real, fake = images
        metric = frechet_metric(classifier)
        for batch in real.split(64):
            metric.update(batch, real=True)
        metric.update(fake, real=False)
        expected = frechet_distance(
            feature_statistics(predict(classifier, real).features),
            feature_statistics(predict(classifier, fake).features),
        )
        assert expected > 0
        assert metric.compute().item() == pytest.approx(expected, rel=1e-4)

    def test_reference_statistics_stand_for_the_real_images(self, classifier, images):
        real, fake = images
        statistics = feature_statistics(predict(classifier, real).features)
        metric = frechet_metric(classifier, statistics)
        expected = frechet_distance(
            statistics, feature_statistics(predict(classifier, fake).features)
        )
        for _ in range(2):
            metric.update(fake, real=False)
            assert metric.compute().item() == pytest.approx(expected, rel=1e-4)
            metric.reset()

    def test_called_on_batches_it_adds_up_their_images_and_not_the_reference_again(
        self, classifier, images
    ):
        """As a training that logs it does; the real side doubled with each batch, to no number."""
        real, fake = images
        metric = frechet_metric(classifier, feature_statistics(predict(classifier, real).features))
        metric.update(fake, real=False)
        expected = metric.compute()
        metric.reset()
        for part in fake.split(100):
            metric(part, real=False)
        for _ in range(70):
            metric(fake[:65], real=False)
        assert metric(fake, real=False) == expected
        metric.reset()
        for part in fake.split(100):
            metric(part, real=False)
        assert metric.compute() == pytest.approx(float(expected), rel=1e-5)

    def test_reset_takes_real_images_away_and_leaves_the_reference(self, classifier, images):
        real, fake = images
        metric = frechet_metric(classifier, feature_statistics(predict(classifier, real).features))
        found = []
        for added in (None, fake, None):
            metric.reset()
            if added is not None:
                metric.update(added, real=True)
            metric.update(fake, real=False)
            found.append(float(metric.compute()))
        assert found[0] == found[2] > 2 * found[1]

    def test_inside_a_module_it_stays_in_evaluation_mode_and_leaves_the_classifier_alone(self):
        torch.manual_seed(0)
        classifier = DigitClassifier().train()
        before = {name: value.clone() for name, value in classifier.state_dict().items()}
        images = 2 * torch.rand(80, 1, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
        inside, alone = frechet_metric(classifier), frechet_metric(classifier)
        torch.nn.ModuleList([inside]).train()
        for metric in (inside, alone):
            metric.update(images, real=True)
            metric.update(images.flip(3).clamp(max=0.5), real=False)
        assert torch.equal(inside.compute(), alone.compute())
        assert not any(module.training for module in inside.inception.modules())
        assert all(module.training for module in classifier.modules())
        assert all(p.requires_grad for p in classifier.parameters())
        for name, value in classifier.state_dict().items():
            assert torch.equal(value, before[name])

    def test_needs_as_many_samples_as_the_statistics_do(self):
        metric = frechet_metric(DigitClassifier())
        images = 2 * torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
        metric.update(images, real=True)
        metric.update(images, real=False)
        with pytest.raises(ValueError, match="real images: got 64 samples, need at least 65"):
            metric.compute()
        metric.update(images, real=True)
        with pytest.raises(ValueError, match="fake images: got 64 samples, need at least 65"):
            metric.compute()

    def test_refuses_what_evaluate_digits_refuses(self):
        metric = frechet_metric(DigitClassifier())
        images = torch.rand(70, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        with pytest.raises(ValueError, match=r"2 \* images - 1"):
            metric.update(images, real=True)
        with pytest.raises(ValueError, match="NaN"):
            metric.update(images * float("nan"), real=False)


def test_a_metric_refuses_the_reference_of_another_classifier():
    network = small_inputs.classifier()
    reference = small_inputs.reference(network)
    other = DigitClassifier(network.config)
    wider = DigitClassifier(dataclasses.replace(network.config, n_features=4))
    with pytest.raises(ValueError, match="features of another classifier"):
        frechet_metric(other, reference)
    with pytest.raises(ValueError, match="of 3 features and the classifier has 4"):
        frechet_metric(wider, reference.statistics)
    found = []
    for known in (reference, reference.statistics):
        metric = frechet_metric(network, known)
        metric.update(small_inputs.images(), real=False)
        found.append(float(metric.compute()))
    assert found[0] == found[1]
