"""Both sides of every equation on the page about the fields of use."""

import math
from itertools import product

import pytest
import torch

from aigc_tutorial import ar, data


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("app-gaussian")
def test_mixed_deviations_have_the_covariance_of_the_data():
    data = torch.randn(12, 3, generator=seeded(), dtype=torch.float64) @ torch.tensor(
        [[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 0.0, 0.5]], dtype=torch.float64
    )
    centred = data - data.mean(dim=0)
    covariance = centred.T @ centred / (len(data) - 1)
    # Exactly: x - mu = A eps with A = X_c^T / sqrt(N - 1), and Cov(A eps) = A A^T.
    root = centred.T / math.sqrt(len(data) - 1)
    assert torch.allclose(root @ root.T, covariance)
    assert torch.allclose(covariance, torch.cov(data.T))
    # By drawing: 200,000 samples come within a hundredth of the largest entry, times two.
    noise = torch.randn(200_000, len(data), generator=seeded(1), dtype=torch.float64)
    drawn = data.mean(dim=0) + noise @ root.T
    assert torch.allclose(drawn.mean(dim=0), data.mean(dim=0), atol=0.02)
    assert torch.allclose(torch.cov(drawn.T), covariance, atol=0.02 * float(covariance.max()))


@pytest.mark.equation("app-translation")
def test_probabilities_of_all_translations_sum_to_one():
    torch.manual_seed(0)
    model = ar.Transformer(ar.TransformerConfig(3, context=8, n_layers=1, n_heads=1, width=8))
    assert model.head is not None
    torch.nn.init.normal_(model.head.weight)
    source, length = [0, 2, 1], 4
    rows = torch.tensor([source + list(target) for target in product(range(3), repeat=length)])
    is_target = torch.zeros_like(rows, dtype=torch.bool)
    is_target[:, len(source) :] = True
    with torch.no_grad():
        log_p = -model.nll(rows, is_target).sum(dim=1)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
        # And one of them is the product of its factors, each from a pass of its own.
        row = rows[50]
        factors = [
            model(row[None, :t])[0, -1].softmax(-1)[row[t]] for t in range(len(source), len(row))
        ]
    assert float(log_p[50].exp()) == pytest.approx(math.prod(map(float, factors)), rel=1e-4)


@pytest.mark.equation("app-frames")
def test_a_film_is_the_product_over_frames_and_pixels():
    model = ar.FrameModel(ar.FrameModelConfig(width=4, n_layers=1))
    torch.nn.init.normal_(model.output.weight, generator=seeded())
    model.requires_grad_(False)
    film = torch.randint(2, (1, 5, 4, 4), generator=seeded()).float()
    log_p = 0.0
    for t in range(2, 5):
        ink = torch.sigmoid(model(film[:, t - 2 : t]))[0]
        for i in product(range(4), range(4)):
            log_p += math.log(ink[i] if film[0, t][i] == 1 else 1 - ink[i])
    assert -model.nll(film).sum().item() == pytest.approx(log_p, abs=1e-4)


@pytest.mark.equation("app-mu-law")
def test_levels_are_the_rounded_curve():
    for s in torch.linspace(-1, 1, 401).tolist():
        curve = math.copysign(math.log(1 + 63 * abs(s)) / math.log(64), s)
        exact = (curve + 1) / 2 * 63
        level = data.mu_law_encode(torch.tensor([s]), 64).item()
        assert abs(level - exact) <= 0.5 + 1e-4


@pytest.mark.equation("app-melody-floor")
def test_the_floor_is_the_mean_over_keys_and_nothing_is_below():
    """Against all melodies of two notes, whose mean under the source is its entropy."""
    keys = [data.MelodyStyle(tonic=60 + k) for k in range(12)]
    durations = data.NOTE_DURATIONS
    melodies = torch.stack(
        [
            keys[0].encode([data.Note(a, d), data.Note(b, 4)])
            for a, b, d in product(range(60, 80), range(60, 80), durations)
        ]
    )
    p = torch.stack([key.log_probability(melodies).exp() for key in keys]).mean(dim=0)
    assert p.sum().item() == pytest.approx(1)
    floor = -(torch.special.xlogy(p, p).sum() / math.log(2) / 2).item()

    drawn = torch.cat([key.sample(2_000, 2, rng=seeded()) for key in keys])
    log_p = torch.stack([key.log_probability(drawn) for key in keys]).logsumexp(0) - math.log(12)
    assert -(log_p.mean() / 2 / math.log(2)).item() == pytest.approx(floor, abs=0.03)

    other = torch.rand(len(p), generator=seeded(), dtype=torch.float64) + p
    other /= other.sum()
    assert -(p * other.log2()).sum().item() / 2 > floor
