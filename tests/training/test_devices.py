"""A run on a device without float64, as Apple's GPUs are, is saved there and goes on elsewhere."""

import pytest
import torch

from aigc_tutorial import ar, gan
from tests import second_device
from tests.training.interrupted import InterruptedEngine

SHAPE = (1, 4, 4)
DISCRIMINATOR = gan.ConvDiscriminatorConfig(SHAPE, (4, 4, 4))


def images():
    return 2 * torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0)) - 1


def train_gan(**options):
    generator = gan.ConvGenerator(gan.ConvGeneratorConfig(3, SHAPE, (4, 4)))
    discriminator = gan.ConvDiscriminator(DISCRIMINATOR)
    config = gan.GANTrainingConfig(n_images=24, batch_size=4)
    return gan.train(generator, discriminator, images(), config=config, **options)


def train_vqgan(**options):
    sizes = gan.VQAutoencoderConfig(SHAPE, (4, 4), n_codes=4, code_dim=2)
    config = gan.VQGANTrainingConfig(n_images=24, batch_size=4)
    networks = gan.VQAutoencoder(sizes), gan.ConvDiscriminator(DISCRIMINATOR)
    return gan.train_vqgan(*networks, images(), config=config, **options)


def train_transformer(**options):
    sizes = ar.TransformerConfig(vocab_size=5, context=4, width=8, n_layers=1, n_heads=2)
    tokens = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))
    config = ar.ARTrainingConfig(n_tokens=96, batch_size=4, context=4, ema_half_life=50)
    return ar.train(ar.Transformer(sizes), tokens, config=config, **options)


@pytest.mark.parametrize(
    ("train", "n_updates"), [(train_gan, 8), (train_vqgan, 8), (train_transformer, 4)]
)
def test_a_run_is_saved_on_the_device_and_goes_on_on_the_cpu(train, n_updates, tmp_path):
    def go(device, n_left, folder):
        torch.manual_seed(0)
        engine = InterruptedEngine(n_left)
        engine.device = torch.device(device)
        every = {"checkpoint_folder": folder, "checkpoint_every": 8}
        return train(**every, engine=engine, progress_bar=False).history

    expected = go("cpu", 10**9, tmp_path / "here")
    with pytest.raises(KeyboardInterrupt):
        go(second_device.device(), n_updates, tmp_path / "there")
    resumed = go("cpu", 10**9, tmp_path / "there")
    for name, column in expected.items():
        assert resumed[name] == pytest.approx(column, abs=1e-4)
