"""The command that trains the zoo, on a small scale."""

import pytest
import torch

from aigc_tutorial import zoo
from aigc_tutorial.data import ImageDataset, Source
from aigc_tutorial.evaluation import ClassifierTrainingConfig, DigitReference, accuracy
from aigc_tutorial.zoo.training import classifier, making
from aigc_tutorial.zoo.training.__main__ import main

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


def test_command_writes_an_entry_whose_card_is_true(small, tmp_path, capsys):
    main(["mnist-classifier", "--seed", "3", "--folder", str(tmp_path)])
    assert str(tmp_path / "mnist-classifier") in capsys.readouterr().out

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


def test_unknown_entry_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["mnist-dreamer"])
    assert "mnist-classifier" in capsys.readouterr().err


def test_the_stand_in_for_mnist_is_not_enough(monkeypatch):
    monkeypatch.setattr(making, "mnist", lambda split: stripes(100, seed=0))
    with pytest.raises(ValueError, match="AIGC_TUTORIAL_DATA"):
        making.real_mnist()
