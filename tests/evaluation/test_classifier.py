"""The digit classifier: its parts, its training, and that the training is reproducible."""

import math

import pytest
import torch

from aigc_tutorial.evaluation import (
    ClassifierTrainingConfig,
    DigitClassifier,
    DigitClassifierConfig,
    TwoSampleConfig,
    accuracy,
    predict,
    random_affine,
    train_classifier,
)

SMALL = DigitClassifierConfig(widths=(4, 4, 8, 8, 8), n_features=16, n_classes=4)
STILL = ClassifierTrainingConfig(max_shift=0, max_rotation=0, max_zoom=0)


def bars(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of four classes: a bright bar at the left, right, top or bottom, and noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=generator)
    images = torch.full((n, 1, 28, 28), -1.0)
    for image, label in zip(images, labels, strict=True):
        edge = slice(4, 8) if label % 2 == 0 else slice(20, 24)
        image[(0, slice(None), edge) if label < 2 else (0, edge, slice(None))] = 1.0
    noise = torch.randn(images.shape, generator=generator)
    return (images + 0.1 * noise).clamp(-1, 1), labels


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    images, labels = bars(1000, seed=0)
    config = ClassifierTrainingConfig(n_images=4000, batch_size=50)
    return train_classifier(images, labels, seed=0, config=config, model_config=SMALL)


def test_default_has_64_features_and_few_parameters():
    model = DigitClassifier()
    x = torch.zeros(2, 1, 28, 28)
    assert model.eval().features(x).shape == (2, 64)
    assert model(x).shape == (2, 10)
    assert sum(p.numel() for p in model.parameters()) < 150_000


def test_logits_are_linear_in_the_features(classifier):
    x, _ = bars(5, seed=1)
    features = classifier.features(x)
    assert features.min() >= 0
    torch.testing.assert_close(classifier(x), classifier.head(features))


def test_training_learns_what_held_out_images_confirm(classifier):
    assert not classifier.training
    assert accuracy(classifier, *bars(400, seed=1)) > 0.98


def test_swapped_labels_break_the_accuracy(classifier):
    images, labels = bars(400, seed=1)
    assert accuracy(classifier, images, 3 - labels) < 0.02


def test_seed_decides_every_weight():
    images, labels = bars(200, seed=0)
    config = ClassifierTrainingConfig(n_images=300, batch_size=50)

    def weights(seed: int) -> torch.Tensor:
        model = train_classifier(images, labels, seed=seed, config=config, model_config=SMALL)
        return torch.nn.utils.parameters_to_vector(model.parameters()).detach()

    before = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


def test_reports_images_shown():
    images, labels = bars(120, seed=0)
    shown: list[int] = []
    train_classifier(
        images,
        labels,
        seed=0,
        config=ClassifierTrainingConfig(n_images=220, batch_size=50),
        model_config=SMALL,
        on_step=lambda n_images, loss: shown.append(n_images),
    )
    assert shown == [50, 100, 150, 200]


def test_predict_is_batched_evaluation_mode_and_restores_the_mode(classifier):
    images, _ = bars(33, seed=2)
    with torch.no_grad():
        expected = classifier(images)
    classifier.train()
    try:
        prediction = predict(classifier, images, batch_size=10)
        assert classifier.training
    finally:
        classifier.eval()
    torch.testing.assert_close(prediction.logits, expected)
    assert torch.equal(prediction.labels, expected.argmax(dim=1))
    assert not prediction.features.requires_grad


def test_saved_and_loaded_again_it_says_the_same(classifier, tmp_path):
    images, _ = bars(10, seed=3)
    classifier.save_pretrained(tmp_path / "model")
    loaded = DigitClassifier.from_pretrained(tmp_path / "model")
    assert loaded.config == classifier.config
    torch.testing.assert_close(loaded(images), classifier(images))


class TestRandomAffine:
    """Augmentation by small movements."""

    generator = torch.Generator().manual_seed(0)

    def test_nothing_moves_without_amounts(self):
        x, _ = bars(8, seed=0)
        moved = random_affine(x, STILL, rng=self.generator)
        torch.testing.assert_close(moved, x, atol=1e-4, rtol=0)

    def test_shift_is_measured_in_pixels(self):
        x = torch.full((500, 1, 28, 28), -1.0)
        x[:, :, 14, 14] = 1.0
        config = ClassifierTrainingConfig(max_shift=3, max_rotation=0, max_zoom=0)
        brightness = random_affine(x, config, rng=self.generator) + 1
        position = torch.arange(28.0)
        column = (brightness.sum(dim=(1, 2)) * position).sum(dim=1) / brightness.sum(dim=(1, 2, 3))
        assert column.max().item() == pytest.approx(17, abs=0.1)
        assert column.min().item() == pytest.approx(11, abs=0.1)

    def test_rotation_is_measured_in_degrees(self):
        x = torch.full((500, 1, 29, 29), -1.0)
        x[:, :, 14, 24] = 1.0
        config = ClassifierTrainingConfig(max_shift=0, max_rotation=30, max_zoom=0)
        brightness = (random_affine(x, config, rng=self.generator) + 1).squeeze(1)
        position = torch.arange(29.0) - 14
        total = brightness.sum(dim=(1, 2))
        column = (brightness.sum(dim=1) * position).sum(dim=1) / total
        row = (brightness.sum(dim=2) * position).sum(dim=1) / total
        angle = torch.atan2(row, column).abs().max().item() * 180 / math.pi
        assert angle == pytest.approx(30, abs=1.5)

    @pytest.mark.parametrize("shape", [(41, 81), (81, 41)])
    def test_a_rotation_keeps_lengths_in_images_that_are_not_square(self, shape):
        x = torch.full((100, 1, *shape), -1.0)
        x[:, :, shape[0] // 2 - 10, shape[1] // 2] = 1.0
        config = ClassifierTrainingConfig(max_shift=0, max_rotation=45, max_zoom=0)
        brightness = (random_affine(x, config, rng=self.generator) + 1).squeeze(1)
        rows, columns = (torch.arange(float(n)) - n // 2 for n in shape)
        total = brightness.sum(dim=(1, 2))
        row = (brightness.sum(dim=2) * rows).sum(dim=1) / total
        column = (brightness.sum(dim=1) * columns).sum(dim=1) / total
        torch.testing.assert_close(row.hypot(column), torch.full((100,), 10.0), atol=0.1, rtol=0)

    def test_what_comes_in_is_background(self):
        x = torch.full((20, 1, 28, 28), -1.0)
        config = ClassifierTrainingConfig(max_shift=8, max_rotation=45, max_zoom=0.5)
        assert torch.equal(random_affine(x, config, rng=self.generator), x)


def test_refusals(classifier):
    images, labels = bars(60, seed=0)
    with pytest.raises(ValueError, match="Got 60 images and 59 labels"):
        train_classifier(images, labels[:59], seed=0, model_config=SMALL)
    with pytest.raises(ValueError, match="at least one batch of 128"):
        train_classifier(images, labels, seed=0, model_config=SMALL)
    with pytest.raises(ValueError, match="NaN"):
        train_classifier(
            images * math.nan,
            labels,
            seed=0,
            config=ClassifierTrainingConfig(batch_size=10),
            model_config=SMALL,
        )
    with pytest.raises(ValueError, match=r"shape \(1, 28, 28\)"):
        classifier(torch.zeros(2, 1, 32, 32))
    with pytest.raises(ValueError, match="at least one sample"):
        predict(classifier, images[:0])
    with pytest.raises(ValueError, match="NaN"):
        predict(classifier, images * math.inf)


@pytest.mark.parametrize(
    ("config", "setting", "value"),
    [
        (ClassifierTrainingConfig, "n_images", 0),
        (ClassifierTrainingConfig, "batch_size", 0),
        (ClassifierTrainingConfig, "learning_rate", 0.0),
        (ClassifierTrainingConfig, "weight_decay", -0.1),
        (ClassifierTrainingConfig, "max_shift", -1.0),
        (ClassifierTrainingConfig, "max_rotation", -1.0),
        (ClassifierTrainingConfig, "max_zoom", -0.1),
        (ClassifierTrainingConfig, "max_zoom", 1.0),
        (TwoSampleConfig, "n_samples_shown", 0),
        (TwoSampleConfig, "width", 0),
        (TwoSampleConfig, "batch_size", 1),
        (TwoSampleConfig, "learning_rate", 0.0),
    ],
)
def test_settings_beyond_their_range_are_refused_by_name(config, setting, value):
    with pytest.raises(ValueError, match=setting):
        config(**{setting: value})
