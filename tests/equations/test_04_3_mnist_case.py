"""Both sides of every equation of page 4.3, computed."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from aigc_tutorial import data, gan
from aigc_tutorial.gan import losses, penalties
from aigc_tutorial.nn import EMA
from aigc_tutorial.optim import spectral_descent

logits = st.lists(st.floats(-15, 15, width=32, allow_subnormal=False), min_size=2, max_size=8).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("mnist-scaling")
def test_pixels_become_images():
    pixels = torch.arange(256, dtype=torch.uint8)
    by_hand = torch.tensor([p / 127.5 - 1 for p in range(256)])
    torch.testing.assert_close(data.pixels_to_images(pixels), by_hand)
    assert data.pixels_to_images(pixels).min() == -1
    assert data.pixels_to_images(pixels).max() == 1
    assert torch.equal(data.images_to_pixels(data.pixels_to_images(pixels)), pixels)


def value(a_real: torch.Tensor, a_fake: torch.Tensor) -> torch.Tensor:
    """V(D, G) from probabilities, as it is written."""
    return a_real.sigmoid().log().mean() + (1 - a_fake.sigmoid()).log().mean()


@pytest.mark.equation("mnist-loss-d")
@given(logits)
def test_discriminator_loss_is_minus_the_value(a):
    a_real, a_fake = a, a.flip(0) - 1
    loss = losses.minimax_discriminator_loss(a_real, a_fake)
    torch.testing.assert_close(loss, -value(a_real, a_fake), rtol=1e-6, atol=1e-9)
    softplus = [
        math.log1p(math.exp(-x)) + math.log1p(math.exp(y))
        for x, y in zip(a_real, a_fake, strict=True)
    ]
    assert loss.item() == pytest.approx(sum(softplus) / len(a))


@pytest.mark.equation("mnist-loss-g")
@given(logits)
def test_generator_loss_is_minus_the_mean_log_probability(a):
    loss = losses.non_saturating_generator_loss(a)
    torch.testing.assert_close(loss, -a.sigmoid().log().mean())
    assert loss.item() == pytest.approx(sum(math.log1p(math.exp(-x)) for x in a) / len(a))


@pytest.mark.equation("mnist-relativistic")
@given(logits)
def test_paired_losses(a):
    a_real, a_fake = a, a.flip(0) * 0.5 - 1
    expected_d = expected_g = 0.0
    for real, fake in zip(a_real.tolist(), a_fake.tolist(), strict=True):
        expected_d -= math.log(1 / (1 + math.exp(-(real - fake)))) / len(a)
        expected_g -= math.log(1 / (1 + math.exp(-(fake - real)))) / len(a)
    assert losses.relativistic_discriminator_loss(a_real, a_fake).item() == pytest.approx(
        expected_d, rel=1e-6, abs=1e-9
    )
    assert losses.relativistic_generator_loss(a_real, a_fake).item() == pytest.approx(
        expected_g, rel=1e-6, abs=1e-9
    )
    # The page says: at log 2 the discriminator guesses, and a shift of all logits changes nothing.
    equal = losses.relativistic_discriminator_loss(a_real, a_real).item()
    assert equal == pytest.approx(math.log(2))
    shifted = losses.relativistic_discriminator_loss(a_real + 5, a_fake + 5).item()
    assert shifted == pytest.approx(expected_d, rel=1e-6, abs=1e-9)


@pytest.mark.equation("mnist-r1")
def test_r1_is_the_mean_squared_slope():
    x = torch.randn(5, 1, 2, 2, generator=random(), dtype=torch.float64)
    weight = torch.randn(4, generator=random(1), dtype=torch.float64)

    def discriminator(images):
        return (images.flatten(1) @ weight).sin()

    # The gradient of sin(w · x) is cos(w · x) w.
    slopes = (x.flatten(1) @ weight).cos()[:, None] * weight
    torch.testing.assert_close(
        penalties.r1_penalty(discriminator, x), slopes.square().sum(1).mean()
    )


def after_five_rounds(singular_values):
    for _ in range(5):
        cube, fifth = singular_values**3, singular_values**5
        singular_values = 3.4445 * singular_values - 4.775 * cube + 2.0315 * fifth
    return singular_values


@pytest.mark.equation("mnist-spectral")
@pytest.mark.parametrize("shape", [(6, 3, 3, 3), (40, 2, 3, 3), (8, 2, 2, 2)])
def test_a_step_takes_five_rounds_of_the_polynomial_to_the_singular_values(shape):
    rate = 0.1
    kernel = nn.Parameter(torch.randn(shape, generator=random(), dtype=torch.float64))
    theta = kernel.detach().flatten(1).clone()
    kernel.grad = torch.randn(kernel.shape, generator=random(1), dtype=torch.float64)
    gradient = kernel.grad.flatten(1).clone()
    u, sigma, v_t = torch.linalg.svd(gradient, full_matrices=False)
    spectral_descent([kernel], rate).step()
    step = (theta - kernel.detach().flatten(1)) / rate
    x_5 = u @ after_five_rounds(sigma / sigma.norm()).diag() @ v_t
    torch.testing.assert_close(step, x_5, rtol=1e-9, atol=1e-9)
    # And so it is near U Vᵀ, which the plain gradient is not, whatever its length.
    assert torch.linalg.matrix_norm(step - u @ v_t, 2) < 0.32
    scaled = gradient / sigma[0]
    assert torch.linalg.matrix_norm(scaled - u @ v_t, 2) > 0.4


@pytest.mark.equation("mnist-spectral")
def test_five_rounds_bring_all_but_tiny_singular_values_near_one():
    """The numbers that the page gives; four rounds, or a smaller value, do not reach them."""
    values = torch.linspace(0.01, 1, 100_001, dtype=torch.float64)
    after = after_five_rounds(values)
    assert after.min().item() == pytest.approx(0.6818, abs=1e-4)
    assert after.max().item() == pytest.approx(1.1344, abs=1e-4)
    assert after_five_rounds(torch.tensor(1e-3, dtype=torch.float64)) < 0.6


@pytest.mark.equation("mnist-ema")
def test_average_forgets_half_in_a_half_life():
    batch_size, half_life = 32, 320
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    ema = EMA(model, half_life=half_life, ramp_up=1e9)
    ema.update(model, batch_size)
    nn.init.zeros_(model.weight)
    by_hand = 1.0
    for _ in range(half_life // batch_size):
        ema.update(model, batch_size)
        decay = 2 ** (-batch_size / half_life)
        by_hand = decay * by_hand + (1 - decay) * 0.0
    assert ema.model.weight.item() == pytest.approx(by_hand, rel=1e-5)
    assert by_hand == pytest.approx(0.5)
    for weight in (3.0, -1.0, 0.5):  # and takes up what the weights become
        nn.init.constant_(model.weight, weight)
        ema.update(model, batch_size)
        by_hand = decay * by_hand + (1 - decay) * weight
        assert ema.model.weight.item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.equation("mnist-projection")
def test_a_class_adds_a_vector_of_its_own_to_the_last_layer():
    discriminator = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(n_classes=3)).double()
    with torch.no_grad():
        discriminator.class_embedding.weight.normal_(generator=random(2))
    images = torch.rand(7, 1, 28, 28, generator=random(), dtype=torch.float64) * 2 - 1
    classes = torch.tensor([0, 1, 2, 2, 1, 0, 1])
    *body, last = discriminator.layers
    h = nn.Sequential(*body)(images)
    assert isinstance(last, nn.Linear)
    w, b = last.weight[0], last.bias[0]
    by_hand = [
        (w + discriminator.class_embedding.weight[c]) @ h[i] + b for i, c in enumerate(classes)
    ]
    torch.testing.assert_close(discriminator(images, classes), torch.stack(by_hand))
    assert not torch.allclose(
        discriminator(images, classes), discriminator(images, classes.roll(1))
    )


def test_networks_have_the_sizes_that_the_page_tells():
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert count(gan.MLPGenerator()) == 559_632
    assert count(gan.MLPDiscriminator()) == 533_505
    assert count(gan.ConvGenerator()) + count(gan.ConvDiscriminator()) < 559_632
