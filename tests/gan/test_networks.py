"""Networks: sizes, checks of shapes, sampling, saving."""

import pytest
import torch
from torch import nn

from aigc_tutorial import gan
from aigc_tutorial.gan.penalties import input_gradient
from aigc_tutorial.nn import count_parameters

GENERATORS = [
    gan.MLPGenerator(),
    gan.MLPGenerator(gan.MLPGeneratorConfig(batch_norm=True)),
    gan.ConvGenerator(),
]
DISCRIMINATORS = [
    gan.MLPDiscriminator(),
    gan.ConvDiscriminator(),
    gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(spectral_norm=True)),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_fully_connected_pair_has_the_sizes_of_the_source_document():
    assert count_parameters(gan.MLPGenerator()) == 559_632
    assert count_parameters(gan.MLPDiscriminator()) == 533_505


@pytest.mark.parametrize("generator", GENERATORS)
def test_samples_are_images_that_the_seed_decides(generator):
    samples = generator.sample(7, rng=seeded(), batch_size=3)
    assert samples.shape == (7, 1, 28, 28)
    assert samples.abs().max() <= 1
    again = generator.sample(7, rng=seeded(), batch_size=7)
    torch.testing.assert_close(samples, again)
    other = generator.sample(7, rng=seeded(1))
    assert (samples - other).abs().max() > 1e-4


@pytest.mark.parametrize("generator", GENERATORS)
def test_sampling_leaves_the_mode_and_the_statistics_alone(generator):
    generator.train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    generator.sample(4, rng=seeded())
    assert generator.training
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_discriminator_judges_each_image_by_itself(discriminator):
    discriminator.eval()
    x = torch.randn(3, 1, 28, 28, generator=seeded())
    torch.testing.assert_close(discriminator(x)[1:2], discriminator(x[1:2]))
    assert input_gradient(discriminator, x).abs().sum(1).min() > 0


@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_wrong_image_shape_is_refused(discriminator):
    with pytest.raises(ValueError, match=r"expected a batch of shape \(B, 1, 28, 28\)"):
        discriminator(torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("generator", GENERATORS)
def test_wrong_latent_shape_is_refused(generator):
    with pytest.raises(ValueError, match="expected latents of shape"):
        generator(torch.zeros(2, generator.latent_dim + 1))


@pytest.mark.parametrize(
    ("config_class", "n_channels"), [(gan.MLPGeneratorConfig, 1), (gan.MLPDiscriminatorConfig, 3)]
)
def test_channels_last_shapes_are_explained(config_class, n_channels):
    with pytest.raises(ValueError, match=rf"write \({n_channels}, 28, 28\)"):
        config_class(image_shape=(28, 28, n_channels))


def test_sizes_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(ValueError, match="multiples of 4"):
        gan.ConvGenerator(gan.ConvGeneratorConfig(image_shape=(1, 30, 28)))


def test_convolutional_pair_takes_other_shapes():
    shape = (3, 32, 24)
    generator = gan.ConvGenerator(gan.ConvGeneratorConfig(image_shape=shape))
    discriminator = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(image_shape=shape))
    assert discriminator(generator.sample(2, rng=seeded())).shape == (2,)


def test_spectral_norm_bounds_every_layer():
    discriminator = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(spectral_norm=True)).train()
    x = torch.randn(2, 1, 28, 28, generator=seeded())
    for _ in range(200):  # one power iteration a pass
        discriminator(x)
    weights = [x.weight for x in discriminator.layers if isinstance(x, nn.Conv2d | nn.Linear)]
    assert len(weights) == 4
    for weight in weights:
        norm = torch.linalg.matrix_norm(weight.flatten(1), 2).item()
        assert norm == pytest.approx(1, abs=1e-2), weight.shape


@pytest.mark.parametrize(
    "model",
    [gan.ConvGenerator, gan.ConvDiscriminator],
    ids=["generator", "discriminator"],
)
def test_convolutions_begin_as_dcgan_draws_them(model):
    """From N(0, 0.02²), with zero bias; from N(0, 0.05²) where there is one input channel."""
    torch.manual_seed(0)
    convolutions = [layer for layer in model().modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions
    for layer in convolutions:
        wanted = 0.05 if layer.in_channels == 1 else 0.02
        deviation = layer.weight.std().item()
        # Six standard errors of a standard deviation from so many weights.
        assert deviation == pytest.approx(wanted, rel=6 / (2 * layer.weight.numel()) ** 0.5)
        assert layer.weight.mean().abs().item() < 6 * wanted / layer.weight.numel() ** 0.5
        assert layer.bias is not None
        assert layer.bias.eq(0).all()


@pytest.mark.parametrize("model", [*GENERATORS, *DISCRIMINATORS])
def test_saved_models_come_back_equal(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    loaded = type(model).from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_asking_for_no_samples_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        gan.MLPGenerator().sample(0)
