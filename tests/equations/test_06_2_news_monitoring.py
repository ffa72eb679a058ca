"""Both sides of the equations of the page on news: scores, shares, detectors."""

import math

import pytest
import torch

from aigc_tutorial.apps import news


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("news-macro-f1")
def test_macro_f1_is_the_mean_harmonic_mean_of_precision_and_recall():
    labels, named = torch.randint(3, (2, 60), generator=seeded()).unbind()
    expected = []
    for k in range(3):
        hits = int(((labels == k) & (named == k)).sum())
        precision, recall = hits / int((named == k).sum()), hits / int((labels == k).sum())
        expected.append(2 * precision * recall / (precision + recall))
    assert news.macro_f1(labels, named) == pytest.approx(sum(expected) / 3)


@pytest.mark.equation("news-adjusted-share")
@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 1.0])
def test_the_share_named_is_undone(share):
    rates = news.NamingRates(hits=60, n_class=100, false_hits=20, n_others=400)
    named = share * 0.6 + (1 - share) * 0.05
    assert news.adjusted_share(named, rates) == pytest.approx(share)
    assert named != pytest.approx(share, abs=1e-3) or share == pytest.approx(0.05 / 0.45, abs=0.01)


@pytest.mark.equation("news-share-interval")
def test_the_interval_of_a_share_is_that_of_the_beta_distribution():
    stats = pytest.importorskip("scipy.stats")
    n_named, n_texts = torch.tensor([3.0, 0.0, 40.0]), torch.tensor([20.0, 12.0, 50.0])
    found = news.share_interval(n_named, n_texts, rng=seeded(), n_draws=100_000)
    for row, k, n in zip(found, n_named.tolist(), n_texts.tolist(), strict=True):
        exact = stats.beta(k + 0.5, n - k + 0.5).ppf([0.05, 0.5, 0.95])
        assert row.tolist() == pytest.approx(exact.tolist(), abs=3e-3)


@pytest.mark.equation("news-standardised")
def test_standardised_counts_have_mean_0_and_deviation_1():
    n = torch.full((1, 100_000), 12.0)
    k = torch.binomial(n, torch.full_like(n, 0.2), generator=seeded())
    z = news.standardised(n, k, torch.tensor([0.2]))
    assert float(z.mean()) == pytest.approx(0, abs=0.02)
    assert float(z.std()) == pytest.approx(1, abs=0.02)
    assert float(news.standardised(n[:, :1], torch.full((1, 1), 6.0), torch.tensor([0.2]))) == (
        pytest.approx((6 - 12 * 0.2) / math.sqrt(12 * 0.2 * 0.8))
    )


@pytest.mark.equation("news-ewma")
def test_the_average_has_the_deviation_that_its_limit_takes_at_every_age():
    weight, hours = 0.15, 40
    z = torch.randn(20_000, hours, generator=seeded(), dtype=torch.float64)
    average = torch.zeros(20_000, dtype=torch.float64)
    detector = news.Ewma(weight)
    state = detector.begin((20_000,))
    for t in range(hours):
        average = weight * z[:, t] + (1 - weight) * average
        sigma = math.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * (t + 1))))
        assert float(average.std()) == pytest.approx(sigma, rel=0.03)
        state, value = detector.step(state, z[:, t].float(), z[:, t], z[:, t])
        assert torch.allclose(value.double(), average / sigma, atol=1e-4)


@pytest.mark.equation("news-cusum")
def test_the_sum_is_how_far_the_walk_stands_above_its_lowest_point():
    z = torch.randn(1, 200, generator=seeded())
    detector = news.Cusum(0.3)
    state, found = detector.begin((1,)), []
    for t in range(200):
        state, value = detector.step(state, z[:, t], z[:, t], z[:, t])
        found.append(float(value))
    walk = torch.cat([torch.zeros(1), (z[0] - 0.3).cumsum(0)])
    above = (walk - walk.cummin(0).values)[1:]
    assert torch.allclose(torch.tensor(found), above, atol=1e-4)


@pytest.mark.equation("news-run-length")
@pytest.mark.parametrize(("threshold", "reference", "mean"), [(3.0, 0.5, 0.0), (4.0, 0.25, 0.5)])
def test_siegmunds_run_length_is_near_the_simulated_one(threshold, reference, mean):
    z = mean + torch.randn(400, 2_500, generator=seeded())
    rings = news.watch(news.Cusum(reference), z, z, z, thresholds=[threshold])[0]
    simulated = z.numel() / int(rings.sum())
    expected = news.siegmund_run_length(threshold, reference, mean)
    assert simulated == pytest.approx(expected, rel=0.06)


@pytest.mark.equation("news-run-length")
def test_without_drift_the_run_length_is_the_limit_of_the_formula():
    near = news.siegmund_run_length(4.0, 0.5, 0.5 + 1e-5)
    assert news.siegmund_run_length(4.0, 0.5, 0.5) == pytest.approx(near, rel=1e-3)
