"""Equations of the overview of the algorithms."""

import math

import pytest
import torch

from aigc_tutorial import ar, data, gan
from aigc_tutorial.exercises.page_03_1 import density_from_bins

N_BINS, EXTENT = 64, 3.2
WIDTH = 2 * EXTENT / N_BINS
RING = data.ring(std=0.1)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def bins_of(points):
    return ((points + EXTENT) / WIDTH).long()


def small_model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ar.WindowModel(ar.WindowConfig(N_BINS + 1, window=2, hidden_dim=16))


def log_factors(model):
    """Logarithms of P(b1), (64,), and of P(b2 | b1), (64, 64), bins alone."""
    first = torch.arange(N_BINS)
    tokens = torch.stack([torch.full_like(first, N_BINS), first], dim=1)
    logits = model(tokens).detach().double()[..., :N_BINS].log_softmax(-1)
    return logits[0, 0], logits[:, 1]


@pytest.mark.equation("overview-pushforward")
def test_samples_of_a_map_have_the_density_of_the_change_of_variables():
    """For a map that can be inverted the density is known: here a plain stretching."""
    z = torch.randn(200_000, generator=random())
    x = 3.0 * z + 1.0
    inside = ((x > 1.0) & (x < 4.0)).float().mean()
    exact = 0.5 * (math.erf(1 / math.sqrt(2)) - math.erf(0.0))  # one standard deviation up
    assert float(inside) == pytest.approx(exact, abs=0.005)


@pytest.mark.equation("overview-pushforward")
def test_a_sample_is_the_generator_of_a_standard_normal_latent():
    torch.manual_seed(0)
    generator = gan.MLPGenerator(gan.MLPGeneratorConfig(latent_dim=4, hidden=(8,)))
    z = generator.sample_latent(50_000, rng=random())
    assert z.mean(0).abs().max() < 0.025
    assert (torch.cov(z.T) - torch.eye(4)).abs().max() < 0.04
    assert float((z.abs() < 1).float().mean()) == pytest.approx(math.erf(0.5**0.5), abs=0.005)
    with torch.no_grad():
        by_hand = generator.eval()(generator.sample_latent(6, rng=random(1)))
    torch.testing.assert_close(generator.sample(6, rng=random(1)), by_hand)


@pytest.mark.equation("overview-factors")
def test_the_model_s_likelihood_is_the_product_of_both_factors():
    model = small_model()
    log_first, log_second = log_factors(model)
    bins = torch.randint(N_BINS, (30, 2), generator=random())
    tokens = torch.cat([torch.full((30, 1), N_BINS), bins], dim=1)
    # Of the model's 65 tokens one is no bin: what it gets is taken out of each factor.
    with torch.no_grad():
        shares = model(tokens[:, :-1]).double().softmax(-1)[..., :N_BINS].sum(-1).log()
        log_p = -model.nll(tokens).double() - shares
    by_hand = log_first[bins[:, 0]] + log_second[bins[:, 0], bins[:, 1]]
    torch.testing.assert_close(log_p.sum(1), by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.equation("overview-factors")
def test_the_two_factors_make_a_distribution_over_pairs():
    log_first, log_second = log_factors(small_model())
    joint = (log_first[:, None] + log_second).exp()
    assert float(joint.sum()) == pytest.approx(1)
    torch.testing.assert_close(joint.sum(dim=1), log_first.exp())


@pytest.mark.equation("overview-density")
def test_the_density_integrates_to_one():
    log_first, log_second = log_factors(small_model())
    first, second = torch.cartesian_prod(torch.arange(N_BINS), torch.arange(N_BINS)).T
    log_density = density_from_bins(log_first[first], log_second[first, second], WIDTH)
    assert float(log_density.exp().sum() * WIDTH**2) == pytest.approx(1)


@pytest.mark.equation("overview-entropy")
def test_the_floor_is_the_integral_of_minus_p_log_p():
    side = torch.linspace(-EXTENT, EXTENT, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    log_p = RING.log_density(grid).double()
    area = (2 * EXTENT / 800) ** 2
    assert float(log_p.exp().sum() * area) == pytest.approx(1, abs=1e-4)
    entropy = -float((log_p.exp() * log_p).sum() * area)
    drawn = -RING.log_density(RING.sample(200_000, rng=random())).double()
    assert float(drawn.mean()) == pytest.approx(entropy, abs=4 * float(drawn.std()) / 200_000**0.5)


@pytest.mark.equation("overview-entropy")
def test_no_density_scores_better_than_the_data_s_own():
    points = RING.sample(20_000, rng=random())
    entropy = -float(RING.log_density(points).mean())
    gaussian = torch.distributions.MultivariateNormal(points.mean(0), points.T.cov())
    flat = math.log((2 * EXTENT) ** 2)
    wider = data.ring(std=0.12)
    bins = bins_of(points)
    counts = torch.zeros(N_BINS, N_BINS)
    counts.index_put_((bins[:, 0], bins[:, 1]), torch.ones(len(points)), accumulate=True)
    new = RING.sample(20_000, rng=random(1))
    new_bins = bins_of(new)
    smoothed = (counts + 0.1) / (counts + 0.1).sum()
    histogram = -float(
        (smoothed[new_bins[:, 0], new_bins[:, 1]].log() - 2 * math.log(WIDTH)).mean()
    )
    for score in (-float(gaussian.log_prob(points).mean()), flat, histogram):
        assert score > entropy
    assert -float(wider.log_density(points).mean()) > entropy
