"""What the tests of the command share: a small digit data set, and a way to give a command line."""

import shlex

import pytest
import torch

from aigc_tutorial import cli
from aigc_tutorial.data import ImageDataset, Source

TEXT = "to be, or not to be: that is the question.\n" * 60


@pytest.fixture
def say(capsys):
    """Run a command line; return its exit code, what it printed, and what it complained about."""

    def run(line):
        code = cli.main(shlex.split(str(line)))
        printed, complained = capsys.readouterr()
        return code, printed, complained

    return run


@pytest.fixture
def digits(monkeypatch):
    """Few digits in place of MNIST."""
    labels = torch.arange(100) % 10
    images = 0.2 * torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
    images[torch.arange(100), 0, 4 + 2 * labels] = 1.0
    few = ImageDataset(images, labels, Source("folder", "nowhere", "Made for a test."))
    monkeypatch.setattr("aigc_tutorial.cli.train_gan.mnist", lambda split: few)
    return few


@pytest.fixture
def text(tmp_path):
    """A file of text that is easily learned."""
    path = tmp_path / "my text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path
