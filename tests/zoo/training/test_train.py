"""The command that trains the zoo, on a small scale."""

import dataclasses

import pytest
import torch

from aigc_tutorial import zoo
from aigc_tutorial.data import ImageDataset, Source
from aigc_tutorial.evaluation import (
    ClassifierTrainingConfig,
    DigitReference,
    accuracy,
    evaluate_digits,
    predict,
)
from aigc_tutorial.gan import ConvDiscriminatorConfig, ConvGeneratorConfig, recipes
from aigc_tutorial.zoo.training import classifier, making, trainers
from aigc_tutorial.zoo.training import gan as training_of_gans
from aigc_tutorial.zoo.training import mixture as training_of_mixtures
from aigc_tutorial.zoo.training.trainers import train_entries

SOURCE = Source("folder", "nowhere", "images made for a test")


def stripes(n: int, seed: int) -> ImageDataset:
    """Ten classes that are easy to tell apart: a bright row at one of ten heights."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    images = 0.2 * torch.rand(n, 1, 28, 28, generator=generator) - 1
    images[torch.arange(n), 0, 4 + 2 * labels] = 1.0
    return ImageDataset(images, labels, SOURCE)


@pytest.fixture
def small(monkeypatch):
    """Few images and a short training."""
    training, test = stripes(1000, seed=0), stripes(200, seed=1)
    config = ClassifierTrainingConfig(n_images=3200, batch_size=50, max_shift=0, max_rotation=0)
    monkeypatch.setattr(classifier, "real_mnist", lambda: (training, test))
    monkeypatch.setattr(classifier, "ClassifierTrainingConfig", lambda: config)
    return test


def test_an_entry_is_written_whose_card_is_true(small, tmp_path):
    written = list(train_entries(["mnist-classifier"], seed=3, folder=tmp_path))
    assert written == [tmp_path / "mnist-classifier"]

    card = zoo.card("mnist-classifier", folder=tmp_path)
    model = zoo.load("mnist-classifier", folder=tmp_path)
    assert (card.seed, card.n_seen, card.unit) == (3, 3200, "images")
    assert card.command.endswith("mnist-classifier --seed 3")
    assert card.seconds > 0
    measured = accuracy(model, small.images, small.labels)
    assert card.metrics["accuracy_test"].value == measured > 0.5
    assert card.metrics["accuracy_test"].n_samples == 200
    assert card.metrics["frechet_real_train"].value < card.metrics["frechet_noise"].value

    reference = DigitReference.load(tmp_path / "mnist-classifier" / "reference.safetensors")
    assert torch.equal(reference.labels, small.labels)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("n_classes", [None, 10])
def test_a_gan_writes_an_entry_whose_card_is_true(n_classes, is_large, tmp_path, monkeypatch):
    """Small networks and few images, told the classes or not, as on a CPU or as on a large GPU."""
    monkeypatch.chdir(tmp_path)  # where checkpoints are kept
    monkeypatch.setattr(training_of_gans, "real_mnist", lambda: (stripes(800, seed=0), None))
    monkeypatch.setattr(training_of_gans, "N_SAMPLES", 700)
    monkeypatch.setattr(training_of_gans, "_N_IMAGES", 512)
    recipe = dataclasses.replace(
        recipes.MNIST_CONV,
        generator_config=ConvGeneratorConfig(channels=(4, 2), n_classes=n_classes),
        discriminator_config=ConvDiscriminatorConfig(channels=(2, 4, 4), n_classes=n_classes),
    )
    training_of_gans.train_gan(recipe, "Draws", 64, 5, tmp_path / "zoo", is_large=is_large)

    card = zoo.card("mnist-conv-gan", folder=tmp_path / "zoo")
    generator = zoo.load("mnist-conv-gan", folder=tmp_path / "zoo")
    assert (card.seed, card.n_seen) == (5, 512 if is_large else 64)
    assert card.command.endswith("--seed 5 --large" if is_large else "--seed 5")
    assert generator.config.channels == ((8, 4) if is_large else (4, 2))
    assert card.recipe["training"]["batch_size"] == (256 if is_large else 32)
    labels = None if n_classes is None else torch.arange(700) % 10
    rng = torch.Generator().manual_seed(training_of_gans.SAMPLE_SEED)
    samples = generator.sample(700, labels, rng=rng)
    report = evaluate_digits(samples, zoo.load("mnist-classifier"), zoo.digit_reference())
    assert card.metrics["frechet"].value == pytest.approx(report.frechet, rel=1e-3)
    assert ("class_agreement" in card.metrics) == (n_classes is not None)
    if labels is not None:
        named = predict(zoo.load("mnist-classifier"), samples).labels
        share = (named == labels).double().mean().item()
        assert card.metrics["class_agreement"].value == pytest.approx(share, abs=1e-4)
        assert card.metrics["frechet_within_classes"].n_samples == 700


@pytest.mark.parametrize("is_large", [False, True])
def test_groups_that_are_found_make_a_generator_without_labels(is_large, tmp_path, monkeypatch):
    """Ten stripes are ten groups, of equal shares; as on a CPU or as on a large GPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_of_mixtures, "real_mnist", lambda: (stripes(800, seed=0), None))
    monkeypatch.setattr(training_of_mixtures, "N_SAMPLES", 700)
    monkeypatch.setattr(training_of_gans, "_N_IMAGES", 512)
    recipe = dataclasses.replace(
        training_of_mixtures.RECIPE,
        generator_config=ConvGeneratorConfig(channels=(4, 2), n_classes=10),
        discriminator_config=ConvDiscriminatorConfig(channels=(2, 4, 4), n_classes=10),
        training=dataclasses.replace(training_of_mixtures.RECIPE.training, n_images=64),
    )
    monkeypatch.setattr(training_of_mixtures, "RECIPE", recipe)
    training_of_mixtures.train_mixture(5, tmp_path / "zoo", is_large=is_large)

    card = zoo.card("mnist-mixture-gan", folder=tmp_path / "zoo")
    generator = zoo.load("mnist-mixture-gan", folder=tmp_path / "zoo")
    assert (card.seed, card.n_seen) == (5, 512 if is_large else 64)
    assert card.command.endswith("--seed 5 --large" if is_large else "--seed 5")
    assert generator.config.channels == ((8, 4) if is_large else (4, 2))
    assert generator.config.shares == (0.1,) * 10
    samples = generator.sample(700, rng=torch.Generator().manual_seed(training_of_gans.SAMPLE_SEED))
    report = evaluate_digits(samples, zoo.load("mnist-classifier"), zoo.digit_reference())
    assert card.metrics["frechet"].value == pytest.approx(report.frechet, rel=1e-3)


def test_large_is_for_the_gans():
    with pytest.raises(ValueError, match="large is for the GANs, not for mnist-classifier"):
        list(train_entries(["mnist-conv-gan", "mnist-classifier"], is_large=True))


def test_a_folder_that_cannot_be_written_is_told_before_the_training(tmp_path, monkeypatch):
    def too_late(seed, folder):
        raise AssertionError("it was trained first")

    monkeypatch.setitem(trainers.TRAINERS, "mnist-classifier", too_late)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file, and a folder is needed"):
        list(train_entries(["mnist-classifier"], folder=tmp_path / "file"))


def test_unknown_entry_is_refused():
    with pytest.raises(ValueError, match=r"no mnist-dreamer; it has .*mnist-classifier"):
        list(train_entries(["mnist-dreamer"]))


def test_the_stand_in_for_mnist_is_not_enough(monkeypatch):
    monkeypatch.setattr(making, "mnist", lambda split: stripes(100, seed=0))
    with pytest.raises(ValueError, match="AIGC_TUTORIAL_DATA"):
        making.real_mnist()
