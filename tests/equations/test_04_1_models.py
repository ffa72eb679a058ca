"""Both sides of every equation of page 4.1, computed."""

import math

import pytest
import torch

from aigc_tutorial import ar, gan


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("models-gan-maps")
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 4)])
def test_the_two_maps_go_where_the_equation_says(shape: tuple[int, int, int]) -> None:
    generator = gan.ConvGenerator(gan.ConvGeneratorConfig(latent_dim=7, image_shape=shape))
    discriminator = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(image_shape=shape))
    z = 100 * torch.randn(5, 7, generator=seeded())  # however far out
    x = generator(z)
    assert x.shape == (5, *shape)
    assert x.abs().max() <= 1
    logits = discriminator(x)
    assert logits.shape == (5,)
    by_hand = [1 / (1 + math.exp(-a)) for a in logits.tolist()]
    assert logits.sigmoid().tolist() == pytest.approx(by_hand)


@pytest.mark.equation("models-pushforward")
def test_probability_and_mean_of_a_pushforward() -> None:
    """Of G(z) = z²: the chi-squared distribution with one degree of freedom."""
    x = torch.randn(200_000, generator=seeded(), dtype=torch.float64) ** 2
    probability = math.erf(math.sqrt(1.5 / 2))  # of z² < 1.5, from the distribution of z
    share = (x < 1.5).double().mean().item()
    assert share == pytest.approx(probability, abs=4 * 0.5 / math.sqrt(200_000))
    points = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    density = torch.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)
    over_latents = torch.trapezoid(density * (points**2).sqrt(), points)  # of f(x) = √x
    chi_squared = torch.exp(-points[10_001:] / 2) / (2 * math.pi * points[10_001:]).sqrt()
    over_x = torch.trapezoid(chi_squared * points[10_001:].sqrt(), points[10_001:])
    assert over_latents.item() == pytest.approx(math.sqrt(2 / math.pi), rel=1e-5)
    assert over_x.item() == pytest.approx(over_latents.item(), rel=1e-2)


@pytest.mark.equation("models-density")
def test_density_of_a_rising_map_against_differences_of_its_distribution() -> None:
    z = torch.linspace(-3, 3, 61, dtype=torch.float64, requires_grad=True)

    def g(values: torch.Tensor) -> torch.Tensor:
        return torch.tanh(3 * values) + 0.25 * values

    (slope,) = torch.autograd.grad(g(z).sum(), z)
    by_formula = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) / slope.abs()
    # P(x < G(z)) is the normal distribution's at z; its derivative by x is the density.
    step = 1e-5
    up, down = z.detach() + step, z.detach() - step
    below = torch.special.ndtr(up) - torch.special.ndtr(down)
    torch.testing.assert_close(below / (g(up) - g(down)), by_formula.detach(), rtol=1e-6, atol=0)


def small_model() -> ar.RecurrentModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ar.RecurrentModel(ar.RecurrentConfig(3, cell="rnn", embedding_dim=4, hidden_dim=5))
        torch.nn.init.normal_(model.output.weight)
    return model.double()


@pytest.mark.equation("models-factorisation")
def test_likelihood_is_the_product_of_softmaxes() -> None:
    model, tokens = small_model(), torch.tensor([[0, 2, 1, 1]])
    product = 1.0
    for t in range(1, 4):
        logits = model(tokens[:, :t])[0, -1].tolist()
        product *= math.exp(logits[int(tokens[0, t])]) / sum(math.exp(a) for a in logits)
    assert model.nll(tokens).sum().neg().exp().item() == pytest.approx(product)


@pytest.mark.equation("models-inverse-cdf")
def test_noise_in_order_gives_each_sequence_its_probability() -> None:
    """On a fine grid of noise, instead of by chance: the share is an area, and it is exact."""
    model, n = small_model(), 400
    grid = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    u = torch.cartesian_prod(grid, grid)
    tokens = torch.zeros(len(u), 1, dtype=torch.int64)
    with torch.no_grad():
        for t in range(2):
            probs = model(tokens)[:, -1].softmax(-1)
            reached = probs.cumsum(1) > u[:, t, None]
            smallest = reached.int().argmax(1)  # the first True: the smallest k
            tokens = torch.cat([tokens, smallest[:, None]], dim=1)
        for first in range(3):
            for second in range(3):
                sequence = torch.tensor([0, first, second])
                share = (tokens == sequence).all(1).double().mean().item()
                likelihood = model.nll(sequence[None]).sum().neg().exp().item()
                assert share == pytest.approx(likelihood, abs=2 / n)
