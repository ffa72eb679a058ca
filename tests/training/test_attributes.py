"""A number that a model changes in training, and no tensor holds, is part of a run."""

from typing import Any

import pytest
import torch

from aigc_tutorial import ar, gan
from aigc_tutorial.training import CsvTracker
from tests.training.interrupted import InterruptedEngine

CONFIG = gan.GANTrainingConfig(n_images=160, batch_size=16, warmup_images=32)


class Noisy(gan.MLPDiscriminator):
    """Sees less and less noise beside the data, as is done against discriminators that win."""

    noise = 1.0

    def forward(self, x):
        if self.training:
            self.noise = 0.9 * self.noise
        return super().forward(x + self.noise * torch.randn_like(x))


class Growing(gan.MLPGenerator):
    """Finds a scale in its first batch, and grows with each."""

    scale: torch.Tensor

    def __init__(self, config):
        super().__init__(config)
        self.is_begun, self.n_calls = False, 0
        self.register_buffer("scale", torch.ones(()))

    def forward(self, z):
        if self.training:
            if not self.is_begun:
                self.scale.copy_(z.detach().std())
                self.is_begun = True
            self.n_calls += 1
        return super().forward(z / self.scale) * min(1.0, self.n_calls / 8)


def train(folder, tracker=None, n_updates=10_000):
    torch.manual_seed(0)
    rows = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    sizes = gan.MLPGeneratorConfig(latent_dim=2, image_shape=(2,), hidden=(8,), bounded=False)
    return gan.train(
        Growing(sizes),
        Noisy(gan.MLPDiscriminatorConfig(image_shape=(2,), hidden=(8,))),
        rows,
        config=CONFIG,
        checkpoint_folder=folder,
        checkpoint_every=32,
        tracker=tracker,
        progress_bar=False,
        engine=InterruptedEngine(n_updates),
    )


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_a_run_with_a_folder_is_the_run_without_one_and_goes_on_where_it_was(tmp_path):
    without, whole = train(None), train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", CsvTracker(tmp_path / "log.csv"), n_updates=15)
    parts = train(tmp_path / "parts", CsvTracker(tmp_path / "log.csv"))
    for result in (whole, parts):
        for name in ("generator", "raw_generator", "discriminator"):
            ends = [weights(getattr(run, name)) for run in (result, without)]
            assert torch.equal(*ends), name
        assert result.discriminator.noise == without.discriminator.noise < 0.9**10
        assert result.raw_generator.n_calls == 10


def test_the_averaged_generator_has_the_numbers_of_the_trained_one():
    result = train(None)
    assert result.generator.n_calls == result.raw_generator.n_calls == 10


class Waking(ar.Transformer):
    """Is sure of more from batch to batch."""

    n_calls = 0

    def forward(self, tokens, segments=None):
        if self.training:
            self.n_calls += 1
        return super().forward(tokens, segments) * min(1.0, self.n_calls / 8)


@pytest.mark.parametrize("half_life", [None, 100])
def test_an_averaged_model_of_tokens_is_measured_and_used_with_the_numbers_of_the_trained_one(
    half_life,
):
    torch.manual_seed(0)
    sizes = ar.TransformerConfig(vocab_size=5, context=8, width=8, n_layers=1, n_heads=1)
    seen: list[int] = []

    def validation(model):
        seen.append(model.n_calls)
        return 1.0

    config = ar.ARTrainingConfig(n_tokens=320, batch_size=4, ema_half_life=half_life)
    tokens = torch.randint(5, (100,), generator=torch.Generator().manual_seed(0))
    options: Any = {"validation": validation, "validate_every": 160, "progress_bar": False}
    result = ar.train(Waking(sizes), tokens, config=config, **options)
    assert seen == [5, 10]
    assert result.model.n_calls == result.raw_model.n_calls == 10
